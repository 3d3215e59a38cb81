/** How a command answers: JSON for programs, lines for people. */

import { type Column, formatFacts, formatTable } from '../shared/text/table.ts'
import { terminalSafeJson } from '../shared/text/terminal-safe-json.ts'

export type Output = ReturnType<typeof createOutput>

export interface OutputOptions {
  readonly json: boolean
  /** Columns of the terminal; undefined where there is none: nothing is cut then. */
  readonly width: number | undefined
  write(text: string): Promise<void>
  /** On stderr. */
  note(line: string): Promise<void>
}

export function createOutput({ json, width, write, note }: OutputOptions) {
  return {
    json,
    width,
    note,
    /** `document` with `--json`, else the lines. */
    async show(document: unknown, lines: () => readonly string[]): Promise<void> {
      if (json) await write(`${terminalSafeJson(JSON.stringify(document, null, 2))}\n`)
      else
        await write(
          lines()
            .map(line => `${line}\n`)
            .join(''),
        )
    },
    table: <Row>(columns: readonly Column<Row>[], rows: readonly Row[], empty: string): string[] =>
      rows.length === 0 ? [empty] : formatTable(columns, rows, { width }),
    facts: (facts: readonly (readonly [string, string | undefined])[]): string[] => formatFacts(facts),
  }
}
