/** A line of a plan in the colour of what it says: green for new, yellow for changed, red for gone. */

import type { Style, Terminal } from './terminal.ts'

const COLOURS: Record<string, Style> = { '+': 'green', '~': 'yellow', '-': 'red', '!': 'red' }

export function coloured(terminal: Pick<Terminal, 'style'>, line: string): string {
  const style = COLOURS[line.trimStart()[0] ?? '']
  return style === undefined ? line : terminal.style(style, line)
}
