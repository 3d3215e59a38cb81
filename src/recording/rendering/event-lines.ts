/** A recording's events as lines of JSON (NDJSON): first the header, then the events, and last how the recording ended. */

import { Readable } from 'node:stream'
import { GatewayError } from '../../shared/errors.ts'
import { printable } from '../../shared/text/printable.ts'
import type { RecordedEvent, RecordingSubject } from '../format/events.ts'
import type { Recording } from '../store/reader.ts'

/** How the last line says that the recording ended. A stream without it was cut short. */
export type EndLine =
  | { readonly type: 'end'; readonly sealed: true; readonly reason: string; readonly endedAt: number }
  /** Still being written, or interrupted; `tornBytes` of an unfinished frame were left out. */
  | { readonly type: 'end'; readonly sealed: false; readonly tornBytes: number }

export const EVENT_LINES_TYPE = 'application/x-ndjson'
const CHUNK_CHARACTERS = 64 * 1024
/** A fact is at most 64 MiB of JSON, and escapes can double it. */
const MAX_LINE_BYTES = 160 * 1024 * 1024

/**
 * The lines as a stream that honours backpressure. `live`: every event leaves at once, for followers. An error in the middle
 * destroys the stream, so that a part is never taken for the whole.
 */
export function encodeEventLines(recording: Recording, live = false): Readable {
  async function* lines(): AsyncGenerator<string> {
    let chunk = line({ type: 'header', ...recording.header.subject })
    for await (const event of recording) {
      chunk += line(
        'bytes' in event && Buffer.isBuffer(event.bytes) ? { ...event, bytes: event.bytes.toString('base64') } : event,
      )
      if (!live && chunk.length < CHUNK_CHARACTERS) continue
      yield chunk
      chunk = ''
    }
    yield chunk + line(endOf(recording))
  }
  return Readable.from(startedOnReturn(lines()), { objectMode: false })
}

/** For people. */
export function endText(end: EndLine): string {
  return end.sealed
    ? `The session ended: ${printable(end.reason)}.`
    : 'The recording has no seal: it is still being written, or was interrupted.'
}

function endOf({ end }: Recording): EndLine {
  if (end?.kind === 'sealed') return { type: 'end', sealed: true, reason: end.seal.reason, endedAt: end.seal.endedAt }
  return { type: 'end', sealed: false, tornBytes: end?.tornBytes ?? 0 }
}

function line(value: unknown): string {
  return `${JSON.stringify(value)}\n`
}

/** A generator that is left before it began runs no `finally`: begin it, so that the recording's file is closed. */
function startedOnReturn<T>(generator: AsyncGenerator<T>): AsyncIterableIterator<T> {
  let started = false
  return {
    [Symbol.asyncIterator]() {
      return this
    },
    next() {
      started = true
      return generator.next()
    },
    async return() {
      if (!started) await generator.next()
      return generator.return(undefined)
    },
  }
}

export interface EventStream extends AsyncIterable<RecordedEvent> {
  readonly subject: RecordingSubject
  /** Known once the events have been read to their end. */
  readonly end: EndLine | undefined
}

/** Reads the lines back. Throws `RECORDING_DAMAGED` when they are not what they should be, or end too early. */
export async function decodeEventLines(bytes: AsyncIterable<Buffer>): Promise<EventStream> {
  const lines = splitLines(bytes)
  const first = (await lines.next()).value
  const { type, ...subject } = first === undefined ? { type: undefined } : parse(first)
  if (type !== 'header') throw damaged()
  const stream = {
    subject: subject as unknown as RecordingSubject,
    end: undefined as EndLine | undefined,
    async *[Symbol.asyncIterator]() {
      for await (const text of lines) {
        const event = parse(text)
        if (event.type === 'end') {
          stream.end = event as unknown as EndLine
          return
        }
        const { bytes } = event
        yield (isStream(event.type)
          ? { ...event, bytes: Buffer.from(String(bytes), 'base64') }
          : event) as unknown as RecordedEvent
      }
      throw damaged()
    },
  }
  return stream
}

function isStream(type: unknown): boolean {
  return type === 'output' || type === 'stderr' || type === 'input'
}

async function* splitLines(bytes: AsyncIterable<Buffer>): AsyncGenerator<string, void> {
  let rest: Buffer[] = []
  let length = 0
  for await (const chunk of orDamaged(bytes)) {
    let from = 0
    for (let at = chunk.indexOf(0x0a); at !== -1; at = chunk.indexOf(0x0a, from)) {
      yield Buffer.concat([...rest, chunk.subarray(from, at)]).toString('utf8')
      rest = []
      length = 0
      from = at + 1
    }
    if (from === chunk.length) continue
    rest.push(chunk.subarray(from))
    length += chunk.length - from
    if (length > MAX_LINE_BYTES) throw damaged()
  }
  if (length > 0) throw damaged()
}

/** A connection that is cut says so in many ways; here it means one thing. */
async function* orDamaged(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
  try {
    yield* bytes
  } catch (cause) {
    throw damaged(cause)
  }
}

function parse(text: string): Record<string, unknown> & { type?: unknown } {
  try {
    return JSON.parse(text)
  } catch {
    throw damaged()
  }
}

function damaged(cause?: unknown): GatewayError {
  const message = 'The recording came only in part: the gateway stopped sending it.'
  return new GatewayError('RECORDING_DAMAGED', message, { cause })
}
