/** The result as a table for people. */

import { styleText } from 'node:util'
import { isReached, judged, type Row, WAYS } from './row.ts'

type Cell = readonly [text: string, plain?: 'left']

/** One table a group: only the ways that the group has. */
export function formatRows(rows: readonly Row[]): string {
  const groups = [...new Set(rows.map(row => row.group))]
  return groups
    .map(group =>
      formatGroup(
        group,
        rows.filter(row => row.group === group),
      ),
    )
    .join('\n')
}

function formatGroup(group: string, rows: readonly Row[]): string {
  const ways = WAYS.filter(way => rows.some(row => row.values[way] !== undefined))
  const header: Cell[] = [
    [group, 'left'],
    ...ways.map((way): Cell => [way]),
    ['result', 'left'],
    ['target', 'left'],
    ['', 'left'],
  ]
  const lines = [header, ...rows.map(row => cellsOf(row, ways))]
  const widths = header.map((_, column) => Math.max(...lines.map(line => line[column]![0].length)))
  const text = lines.map(line =>
    line
      .map(([cell, side], column) => (side === 'left' ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  )
  return `\n${styleText('bold', text[0]!, { stream: process.stdout })}\n${text.slice(1).join('\n')}\n`
}

function cellsOf(row: Row, ways: readonly (typeof WAYS)[number][]): Cell[] {
  const { target } = row
  const value = judged(row)
  const reached = isReached(row)
  const of = target?.of === undefined ? '' : ` of ${target.of}`
  const bound = target?.atMost === undefined ? `at least ${target?.atLeast}` : `at most ${target.atMost}`
  return [
    [row.name, 'left'],
    ...ways.map((way): Cell => [row.values[way] === undefined ? '' : formatValue(row.values[way], row.unit)]),
    [
      value === undefined ? '' : target?.of === undefined ? formatValue(value, row.unit) : `${value.toFixed(2)}${of}`,
      'left',
    ],
    [target === undefined ? '' : `${bound}${target.of === undefined ? ` ${row.unit}` : ''}`, 'left'],
    [reached === undefined ? '' : reached ? 'reached' : 'MISSED', 'left'],
  ]
}

function formatValue(value: number, unit: Row['unit']): string {
  const digits = { s: 2, ms: 1, µs: 1, MB: 1, KB: 0, tps: 0, '/s': 1, '/min': 0, 'MB/s': 0 }[unit]
  return `${value.toFixed(digits)} ${unit}`
}
