/** A recording's facts as lines for people: statements with their outcome, commands, files, what was refused. */

import { styleText } from 'node:util'
import { printable } from '../../shared/text/printable.ts'
import type { FactEvent, RecordedEvent } from '../format/events.ts'
import { isStream } from '../format/events.ts'
import { hiddenInputText } from './hidden-input.ts'

export interface TranscriptOptions {
  /** Milliseconds since the epoch at which the recording began. */
  readonly startedAt: number
  /** Columns; 80 at least is readable. */
  readonly width: number
  readonly color?: boolean
  /** Times of day in UTC; otherwise those of the machine. */
  readonly utc?: boolean
  /** Longer statements are cut, and it is said by how much. */
  readonly maxLines?: number
}

/** What is said of a fact: its text (may have several lines), what follows the arrow, or what went wrong. */
interface Description {
  readonly text: string
  readonly outcome?: string
  readonly error?: string
  /** Lines below, such as bind values. */
  readonly details?: readonly string[]
}

const MODERATION_TEXT = {
  begun: 'a moderator watches: the session begins',
  paused: 'no moderator watches: the session is paused',
  resumed: 'a moderator watches again: the session goes on',
}

const INDENT = 14
const MIN_WIDTH = 40
const MAX_LINES = 40

/** The lines for one event, without line ends; none for stream bytes. Everything in them is printable. */
export function transcriptLines(event: RecordedEvent, options: TranscriptOptions): string[] {
  if (isStream(event)) return []
  const style = (how: 'dim' | 'red' | 'green', text: string) =>
    options.color === true ? styleText(how, text, { validateStream: false }) : text
  const room = Math.max(MIN_WIDTH, options.width) - INDENT
  const { text, outcome, error, details = [] } = describe(event)
  const lines = cut(wrap(text, room), options.maxLines ?? MAX_LINES)
  const below = details.flatMap(detail => wrap(detail, room)).map(line => style('dim', line))
  if (error !== undefined) below.push(...wrap(`✗ ${error}`, room).map(line => style('red', line)))
  else if (outcome !== undefined) {
    const last = lines.at(-1) ?? ''
    const arrow = `→ ${outcome}`
    if (below.length === 0 && last.length + 2 + arrow.length <= room)
      lines[lines.length - 1] = `${last}  ${style('green', arrow)}`
    else below.push(...wrap(arrow, room).map(line => style('green', line)))
  }
  const time = style('dim', timeOfDay(options.startedAt + event.at, options.utc === true))
  return [...lines, ...below].map((line, i) => (i === 0 ? `${time}  ${line}` : `${' '.repeat(INDENT)}${line}`))
}

function describe(event: FactEvent): Description {
  switch (event.type) {
    case 'statement':
      return describeStatement(event)
    case 'file':
      return {
        text: `${event.via} ${event.operation} ${whichFile(event)}${event.to === undefined ? '' : ` → ${printable(event.to)}`}`,
        ...(event.bytes === undefined ? {} : { outcome: formatBytes(event.bytes) }),
        ...(event.error === undefined ? {} : { error: printable(event.error) }),
        details: event.sha256 === undefined ? [] : [`sha256 ${printable(event.sha256)}`],
      }
    case 'exec':
      return { text: `$ ${event.command}` }
    case 'shell':
      return { text: 'shell' }
    case 'subsystem':
      return { text: `subsystem ${printable(event.name)}` }
    case 'pty':
      return { text: `terminal ${printable(event.term)}, ${event.columns}×${event.rows}` }
    case 'resize':
      return { text: `terminal is now ${event.columns}×${event.rows}` }
    case 'environment':
      return { text: `environment ${printable(event.name)}=${printable(event.value)}` }
    case 'signal':
      return { text: `signal ${printable(event.name)}` }
    case 'exit':
      return {
        text: event.signal === undefined ? `exit ${event.status ?? '?'}` : `ended by signal ${printable(event.signal)}`,
      }
    case 'channel-open':
      return {
        text: `channel ${event.channel} ${printable(event.kind)}${event.detail === undefined ? '' : ` ${printable(event.detail)}`}`,
      }
    case 'channel-close':
      return {
        text: `channel ${event.channel} closed`,
        outcome: `${formatBytes(event.bytesIn)} in, ${formatBytes(event.bytesOut)} out`,
        details: (event.cut ?? []).map(
          ({ stream, keptBytes, bytes, sha256 }) =>
            `${printable(stream)}: ${count(keptBytes)} of ${count(bytes)} bytes kept${sha256 === undefined ? '' : `; sha256 of all of it ${printable(sha256)}`}`,
        ),
      }
    case 'forward':
      return { text: `forward ${printable(event.kind)} to ${printable(event.host)} port ${event.port}` }
    case 'refused':
      return { text: `refused: ${printable(event.what)}`, error: printable(event.reason) }
    case 'truncated':
      return {
        text: `from here on ${event.stream} of channel ${event.channel} is counted only`,
        outcome: `${formatBytes(event.keptBytes)} kept`,
      }
    case 'hidden-input':
      return { text: `${hiddenInputText(event)}: --reveal shows it` }
    case 'binary':
      return { text: `channel ${event.channel}: bytes that are no text`, outcome: formatBytes(event.bytes) }
    case 'watched':
      return {
        text: `${printable(event.by)} ${event.what === 'came' ? 'watches' : 'watches no longer'}, as ${event.as}`,
        ...(event.silent ? { outcome: 'the user is not told' } : {}),
      }
    case 'moderation':
      return { text: MODERATION_TEXT[event.state] }
    case 'notice':
      return { text: `the gateway said: ${event.text}` }
    case 'asked': {
      // A later version's may be of something else.
      const { outcome: _, ...asked } = describe(event.of)
      return { ...asked, error: 'asked; what became of it is not recorded' }
    }
    case 'relayed':
      return {
        text: `channel ${event.channel}: so much had passed`,
        outcome: `${formatBytes(event.bytesIn)} in, ${formatBytes(event.bytesOut)} out`,
      }
    case 'copy':
      return { text: `COPY ${event.direction}`, outcome: formatBytes(event.bytes) }
    case 'parameter':
      return { text: `${printable(event.name)} = ${printable(event.value)}` }
    case 'protected-key':
      return { text: 'what follows has protected parts' }
    case 'cancel':
      return { text: 'cancel requested' }
    default:
      // A fact of a later version is shown as it is.
      return { text: printable(JSON.stringify(event)) }
  }
}

/** Where the gateway cannot know it, both places that it may be. */
function whichFile({ operation, path, name, unexpanded }: FactEvent & { type: 'file' }): string {
  const note = unexpanded ? ' (as asked for, before the shell expanded it)' : ''
  if (name === undefined) return printable(path) + note
  if (operation === 'download') return `${printable(path)}${note}, sent as ${printable(name)}`
  const folder = path.endsWith('/') ? path : `${path}/`
  const instead = name.includes('/') ? folder + name.slice(name.indexOf('/') + 1) : path
  return `${printable(folder + name)}, or ${printable(instead)} if ${printable(path)} is no folder on the target${note}`
}

function describeStatement(event: FactEvent & { type: 'statement' }): Description {
  const rows = event.rows === undefined ? event.tag : `${count(event.rows)} ${event.rows === 1 ? 'row' : 'rows'}`
  const outcome = [rows === undefined ? undefined : printable(rows), formatDuration(event.durationUs)]
    .filter(Boolean)
    .join(', ')
  const values = (event.parameters ?? []).map(
    (value, i) => `$${i + 1} = ${value === null ? 'null' : `'${printable(value)}'`}`,
  )
  const { cut, parametersBefore, error } = event
  return {
    text: event.text,
    ...(error === undefined
      ? { outcome }
      : { error: `${printable(error.sqlstate)} ${printable(error.message)}, ${formatDuration(event.durationUs)}` }),
    details: [
      ...(cut === undefined ? [] : [describeCut(cut)]),
      ...(event.undecoded === undefined
        ? []
        : [`its bytes are no text in ${printable(event.undecoded)}: each stands as one character (Latin-1)`]),
      ...(event.identity === 'unknown' ? ['whether its values are secrets is not known either'] : []),
      ...(event.identity === 'doubtful' ? ['or what SQL has prepared or declared under this name since'] : []),
      ...(values.length > 0 ? [values.join(', ')] : []),
      ...(parametersBefore === undefined ? [] : [`${count(parametersBefore)} values, as recorded before`]),
      ...(event.redacted === true ? ['a secret was taken out'] : []),
      ...(event.protected === undefined ? [] : ['what is hidden is in the protected part: --reveal shows it']),
      ...(event.revealed === true ? ['revealed from the protected part'] : []),
    ],
  }
}

function describeCut({ bytes, sha256, before }: NonNullable<(FactEvent & { type: 'statement' })['cut']>): string {
  const hash = sha256 === undefined ? '' : `, sha256 ${printable(sha256)}`
  return `… ${formatBytes(bytes)} in all${before === true ? ', recorded whole before' : ''}${hash}`
}

/** Printable lines of at most `width` characters. Line ends of the text stay line ends. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  for (const line of text.trimEnd().split(/\r\n|\n/)) {
    let rest = Array.from(printable(line.replaceAll('\t', '  ')))
    while (rest.length > width) {
      const space = rest.lastIndexOf(' ', width)
      const end = space > width / 2 ? space : width
      lines.push(rest.slice(0, end).join(''))
      rest = rest.slice(rest[end] === ' ' ? end + 1 : end)
    }
    lines.push(rest.join(''))
  }
  return lines
}

function cut(lines: string[], most: number): string[] {
  if (lines.length <= most) return lines
  return [...lines.slice(0, most - 1), `… ${count(lines.length - most + 1)} more lines`]
}

function timeOfDay(at: number, utc: boolean): string {
  const date = new Date(at)
  const shifted = utc ? date : new Date(at - date.getTimezoneOffset() * 60_000)
  return shifted.toISOString().slice(11, 23)
}

function count(value: number): string {
  return value.toLocaleString('en-US')
}

function formatDuration(microseconds: number): string {
  if (microseconds < 1000) return `${microseconds} µs`
  if (microseconds < 1_000_000) return `${(microseconds / 1000).toFixed(1)} ms`
  return `${(microseconds / 1_000_000).toFixed(1)} s`
}

function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  const power = Math.min(4, Math.floor(Math.log10(bytes) / 3))
  return `${(bytes / 1000 ** power).toFixed(1)} ${['', 'kB', 'MB', 'GB', 'TB'][power]}`
}
