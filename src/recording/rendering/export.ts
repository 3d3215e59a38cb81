/** Recordings in formats of others: asciicast for terminals, JSON lines for machines, plain text for people. */

import { StringDecoder } from 'node:string_decoder'
import { terminalSafeJson } from '../../shared/text/terminal-safe-json.ts'
import { createUnseenMarker } from '../../shared/text/unseen.ts'
import { isStream, type RecordedEvent, type RecordingSubject } from '../format/events.ts'
import { summariseBinary } from './binary-output.ts'
import { hiddenInputText, summariseHiddenInput } from './hidden-input.ts'
import { createNeutraliser, type Neutraliser } from './neutralise.ts'
import { createPlainText, type PlainText } from './plain-text.ts'
import { ProgramInput } from './program-input.ts'
import { transcriptLines } from './transcript.ts'
import { withoutFinished } from './unfinished.ts'

export interface CastOptions {
  /** The channel to export; otherwise the first that has a terminal or output. */
  readonly channel?: number
}

const DEFAULT_SIZE = { columns: 80, rows: 24 }
/** A client may claim a terminal of any size; a player would make room for it. */
const LARGEST_SIZE = 1_000

/**
 * asciicast v2 (https://docs.asciinema.org/manual/asciicast/v2/): one terminal channel, as lines with their line ends. Escape
 * sequences that would act on the viewer's terminal are taken out, as in a replay.
 */
export async function* exportCast(
  subject: RecordingSubject,
  events: AsyncIterable<RecordedEvent>,
  options: CastOptions = {},
): AsyncGenerator<string, void> {
  let channel = options.channel
  let size = DEFAULT_SIZE
  let term: string | undefined
  let begun = false
  const streams: Record<string, Neutraliser> = { output: createNeutraliser(), stderr: createNeutraliser() }
  const input = new StringDecoder('utf8')
  const marked = createUnseenMarker()

  for await (const event of summariseHiddenInput(events)) {
    if (!('channel' in event) || (channel !== undefined && event.channel !== channel)) continue
    if (event.type === 'pty') {
      channel = event.channel
      if (!begun) {
        size = event
        term = event.term
      }
    }
    if (!isStream(event) && event.type !== 'resize' && event.type !== 'hidden-input') continue
    channel ??= event.channel
    if (!begun) yield castHeader(subject, size, term)
    begun = true
    const seconds = event.at / 1000
    if (event.type === 'resize')
      yield line([seconds, 'r', `${sane(event.columns, 'columns')}x${sane(event.rows, 'rows')}`])
    else if (event.type === 'hidden-input') yield* castLine(seconds, 'i', `[${hiddenInputText(event)}]\n`)
    else if (event.type === 'input') yield* castLine(seconds, 'i', marked(input.write(event.bytes)))
    else {
      const text = streams[event.type]!.push(event.bytes)
      // Without a terminal at the other end, line ends have no carriage return.
      yield* castLine(seconds, 'o', term === undefined ? text.replace(/\r?\n/g, '\r\n') : text)
    }
  }
  if (!begun) yield castHeader(subject, size, term)
}

function castHeader(
  subject: RecordingSubject,
  size: { columns: number; rows: number },
  term: string | undefined,
): string {
  return line({
    version: 2,
    width: sane(size.columns, 'columns'),
    height: sane(size.rows, 'rows'),
    timestamp: Math.floor(subject.startedAt / 1000),
    title: `${subject.user} as ${subject.account}@${subject.target}, ${subject.session}`,
    ...(term === undefined ? {} : { env: { TERM: term } }),
  })
}

/** 0 is what clients without a terminal say. */
function sane(cells: number, which: keyof typeof DEFAULT_SIZE): number {
  return Math.min(cells, LARGEST_SIZE) || DEFAULT_SIZE[which]
}

function* castLine(seconds: number, kind: 'i' | 'o', text: string): Generator<string> {
  if (text !== '') yield line([seconds, kind, text])
}

/**
 * One object a line: the subject (`type` is `recording`), then every event. Bytes are `text` where they are UTF-8, else
 * `base64`; nothing is left out and nothing can act on a terminal.
 */
export async function* exportJsonLines(
  subject: RecordingSubject,
  events: AsyncIterable<RecordedEvent>,
): AsyncGenerator<string, void> {
  yield line({ type: 'recording', ...subject })
  for await (const event of events) {
    if (!isStream(event)) yield line(event)
    else {
      const { bytes, ...rest } = event
      const text = bytes.toString('utf8')
      yield line({
        ...rest,
        ...(Buffer.from(text, 'utf8').equals(bytes) ? { text } : { base64: bytes.toString('base64') }),
      })
    }
  }
}

/** What was on the screens without any escape sequence, what programs were given as input, and the facts as a transcript. `width` is for the transcript's lines. */
export async function* exportText(
  subject: RecordingSubject,
  events: AsyncIterable<RecordedEvent>,
  width = 120,
): AsyncGenerator<string, void> {
  const streams = new Map<string, PlainText>()
  const programInput = new ProgramInput()
  let atLineStart = true
  for await (const event of summariseHiddenInput(summariseBinary(withoutFinished(events)))) {
    let text: string
    programInput.see(event)
    if (event.type === 'input') {
      const lines = programInput.lines(event)
      if (lines.length === 0) continue
      text = `${atLineStart ? '' : '\n'}${lines.join('\n')}\n`
    } else if (isStream(event)) {
      const name = `${event.channel} ${event.type}`
      const stream = streams.get(name) ?? createPlainText()
      streams.set(name, stream)
      text = stream.push(event.bytes)
    } else {
      const lines = transcriptLines(event, { startedAt: subject.startedAt, width, utc: true })
      text = `${atLineStart ? '' : '\n'}${lines.map(line => `${line}\n`).join('')}`
    }
    if (text === '') continue
    atLineStart = text.endsWith('\n')
    yield text
  }
}

function line(value: unknown): string {
  return `${terminalSafeJson(JSON.stringify(value))}\n`
}
