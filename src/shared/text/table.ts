/** Tables that fit the terminal: columns shrink, then go, but a line never wraps. */

import { printable } from './printable.ts'
import { cut, widthOf } from './width.ts'

export interface Column<Row> {
  readonly title: string
  readonly value: (row: Row) => string
  readonly align?: 'right'
  /** May be cut down to this many columns; not given: never cut. */
  readonly shrinkTo?: number
  /** Left out when there is no room, highest number first; not given: always shown. */
  readonly optional?: number
  /** Left out where no row has anything in it. */
  readonly unlessEmpty?: true
  /** Colours a cell after it was measured. */
  readonly style?: (cell: string, row: Row) => string
}

export interface TableOptions {
  /** Columns of the terminal; undefined: not a terminal, nothing is cut. */
  readonly width: number | undefined
  readonly title?: (text: string) => string
}

const GAP = 2

/** The lines of a table, header first. Every cell is made printable. */
export function formatTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  { width, title = text => text }: TableOptions,
): string[] {
  const all = columns
    .map(column => ({ column, cells: rows.map(row => printable(column.value(row))) }))
    .filter(({ column, cells }) => column.unlessEmpty !== true || cells.some(cell => cell !== ''))
  const { shown, widths } = fit(all, width ?? Number.POSITIVE_INFINITY)
  const line = (cell: (index: number) => { text: string; style: (text: string) => string }) =>
    shown
      .map(({ column }, index) => {
        const { text, style } = cell(index)
        const short = cut(text, widths[index]!)
        const space = ' '.repeat(widths[index]! - widthOf(short))
        if (column.align === 'right') return space + style(short)
        return style(short) + (index === shown.length - 1 ? '' : space)
      })
      .join(' '.repeat(GAP))
      .trimEnd()
  return [
    line(index => ({ text: shown[index]!.column.title, style: title })),
    ...rows.map((row, at) =>
      line(index => {
        const { column, cells } = shown[index]!
        return { text: cells[at]!, style: text => column.style?.(text, row) ?? text }
      }),
    ),
  ]
}

interface Measured<Row> {
  readonly column: Column<Row>
  readonly cells: string[]
}

/** Drops optional columns until the smallest widths fit, then shrinks the widest of those that may shrink. */
function fit<Row>(all: Measured<Row>[], width: number): { shown: Measured<Row>[]; widths: number[] } {
  const natural = ({ column, cells }: Measured<Row>) =>
    cells.reduce((most, cell) => Math.max(most, widthOf(cell)), column.title.length)
  const smallest = (measured: Measured<Row>) => Math.min(natural(measured), measured.column.shrinkTo ?? Infinity)
  const total = (widths: number[]) => widths.reduce((sum, each) => sum + each, (widths.length - 1) * GAP)

  let shown = all
  while (total(shown.map(smallest)) > width) {
    const next = shown.reduce<Measured<Row> | undefined>(
      (most, each) => ((each.column.optional ?? 0) > (most?.column.optional ?? 0) ? each : most),
      undefined,
    )
    if (next === undefined) break
    shown = shown.filter(each => each !== next)
  }
  const widths = shown.map(natural)
  const least = shown.map(smallest)
  while (total(widths) > width) {
    const widest = widths.reduce((at, each, index) => {
      if (each <= least[index]!) return at
      return at === -1 || each > widths[at]! ? index : at
    }, -1)
    if (widest === -1) break
    widths[widest]!--
  }
  return { shown, widths }
}

/** `name: value` lines with the values in one column; what has no value is left out. */
export function formatFacts(
  facts: readonly (readonly [name: string, value: string | undefined])[],
  title: (text: string) => string = text => text,
): string[] {
  const there = facts.filter((fact): fact is readonly [string, string] => fact[1] !== undefined && fact[1] !== '')
  const width = there.reduce((most, [name]) => Math.max(most, name.length), 0)
  return there.map(([name, value]) => `${title(name.padEnd(width))}  ${printable(value)}`)
}
