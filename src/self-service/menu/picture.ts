/** The menu as lines of a screen, whatever its size. */

import type { TerminalSize } from '../../session/conversation.ts'
import { printable } from '../../shared/text/printable.ts'
import { cut, widthOf } from '../../shared/text/width.ts'
import type { Entry } from '../reachable-first.ts'
import type { Choice } from './choice.ts'

export interface Line {
  readonly text: string
  readonly style: 'plain' | 'strong' | 'faint' | 'chosen'
}

export interface Picture {
  readonly lines: readonly Line[]
  /** Where the search ends, counted from 1. */
  readonly cursor: { readonly row: number; readonly column: number }
}

export interface Shown {
  readonly choice: Choice
  readonly user: string
  /** In the place of the keys; undefined: the keys. */
  readonly message: string | undefined
  /** In the place of both; of a long one its end is shown, where somebody types. */
  readonly question?: string | undefined
  /** Whether entries are still being read. */
  readonly reading: boolean
  /** Of accounts that are checked out: who has it, and until when. By address. */
  readonly states: ReadonlyMap<string, string>
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** From so many rows on there is room for a title and space around the list. */
const ROOMY_ROWS = 10
const LABEL = 'Search: '
const KEYS = 'Enter connect  Up/Down move  ^F favourite  ^O check out/in  Esc clear  ^C leave'
const GAP = '  '
const MOST_MESSAGE_ROWS = 3
/** A description may be as long as somebody likes. */
const MOST_READ = 500

/** How many entries are shown at once. */
export function listRows({ rows }: TerminalSize): number {
  return Math.max(1, rows >= ROOMY_ROWS ? rows - 5 : rows - 2)
}

export function pictureOf(shown: Shown, size: TerminalSize): Picture {
  const { columns, rows } = size
  const roomy = rows >= ROOMY_ROWS
  const search = tail(`${LABEL}${shown.choice.search}`, columns - 1)
  const head: Line[] = roomy ? [titleOf(shown, columns), plain(search), plain('')] : [plain(search)]
  const mostWords = roomy ? MOST_MESSAGE_ROWS : 1
  const words =
    shown.question === undefined
      ? wrapped(shown.message ?? KEYS, columns, mostWords)
      : wrapped(shown.question, columns, Infinity).slice(-mostWords)
  const foot = [...(roomy ? [''] : []), ...words].map((text): Line => ({ text, style: 'faint' }))
  const list = listOf(shown, columns, listRows(size))
  const space = Array.from({ length: Math.max(0, rows - head.length - list.length - foot.length) }, () => plain(''))
  // A long message covers the end of the list.
  const body = [...head, ...list, ...space].slice(0, Math.max(1, rows - foot.length))
  const lines = [...body, ...foot].slice(0, Math.max(1, rows))
  return { lines, cursor: { row: roomy ? 2 : 1, column: Math.min(columns, widthOf(search) + 1) } }
}

function titleOf({ choice, user, reading }: Shown, columns: number): Line {
  const count = choice.found.length.toLocaleString('en')
  const all = choice.entries.length.toLocaleString('en')
  const right = reading
    ? 'reading...'
    : choice.search === ''
      ? `${all} ${all === '1' ? 'account' : 'accounts'}`
      : `${count} of ${all}`
  const left = `Sallyport${GAP}${user}`
  const space = columns - widthOf(left) - right.length
  return { text: cut(space < 2 ? left : left + ' '.repeat(space) + right, columns), style: 'strong' }
}

function listOf({ choice, reading, now, states }: Shown, columns: number, rows: number): Line[] {
  const { found, entries, top, selected } = choice
  if (found.length === 0) {
    const why =
      entries.length > 0 ? 'Nothing that you may use has all of this.' : 'There is no account that you may use now.'
    return [{ text: cut(reading ? '' : why, columns), style: 'faint' }]
  }
  const visible = found.slice(top, top + rows)
  const widest = (texts: string[]) => texts.reduce((most, text) => Math.max(most, widthOf(text)), 0)
  const addresses = visible.map(({ address }) => printable(address))
  const ages = visible.map(({ lastUsed }) => (lastUsed === undefined ? '' : ageOf(now - lastUsed)))
  const ageWidth = columns >= 60 ? widest(ages) : 0
  // Names that are cut look alike: they have their room first.
  const addressWidth = Math.max(1, Math.min(widest(addresses), columns - 2))
  const protocols = visible.map(({ reachable }) => reachable.protocol)
  const protocolWidth = new Set(protocols).size > 1 ? widest(protocols) + GAP.length : 0
  const rest = columns - 2 - addressWidth - (ageWidth > 0 ? ageWidth + GAP.length : 0)
  return visible.map((entry, index) => {
    const mark = entry.favourite ? '* ' : '  '
    const address = padded(cut(addresses[index]!, addressWidth), addressWidth)
    const about =
      rest > GAP.length + 4
        ? GAP +
          cut(
            padded(protocolWidth > 0 ? protocols[index]! : '', protocolWidth) + aboutOf(entry, states),
            rest - GAP.length,
          )
        : ''
    const age = ageWidth > 0 ? GAP + ages[index]!.padStart(ageWidth) : ''
    const text = cut(`${mark}${address}${padded(about, rest)}${age}`, columns)
    const chosen = top + index === selected
    return { text: chosen ? padded(text, columns) : text.trimEnd(), style: chosen ? 'chosen' : 'plain' }
  })
}

function aboutOf({ address, reachable: { description, labels, onRequest } }: Entry, states: Shown['states']): string {
  const said =
    description ??
    Object.entries(labels)
      .map(label => label.join('='))
      .join(' ')
  const state = states.get(address) ?? (onRequest && 'on request')
  return printable([...(state === undefined ? [] : [`[${state}]`]), said.slice(0, MOST_READ)].join(' '))
}

/** `5m`, `3h`, `12d` */
function ageOf(ms: number): string {
  const minutes = Math.max(0, Math.floor(ms / 60_000))
  if (minutes < 1) return 'now'
  if (minutes < 60) return `${minutes}m`
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)}h` : `${Math.floor(minutes / 1440)}d`
}

/** At most so many lines of words; what is left over is cut. */
function wrapped(text: string, columns: number, most: number): string[] {
  const lines: string[] = ['']
  for (const word of text.split(' ')) {
    const longer = lines.at(-1) === '' ? word : `${lines.at(-1)} ${word}`
    if (widthOf(longer) <= columns || lines.length === most) lines[lines.length - 1] = longer
    else lines.push(word)
  }
  return lines.map(line => cut(line, columns))
}

function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)))
}

/** The end of a text that is too wide: that is where somebody types. */
function tail(text: string, width: number): string {
  const characters = [...text]
  while (characters.length > 0 && widthOf(characters.join('')) > Math.max(1, width)) characters.shift()
  return characters.join('')
}

function plain(text: string): Line {
  return { text, style: 'plain' }
}
