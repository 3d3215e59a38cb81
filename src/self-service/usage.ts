/** How a command is called, in lines that fit. */

import type { Command } from './command.ts'

/** Without a terminal `ssh` shows what it gets in one of unknown width. */
export const USUAL_WIDTH = 80

export function usageOf({ name, usage }: Pick<Command, 'name' | 'usage'>): string {
  return wrapped(`usage: ${[name, usage, '[--json]'].filter(part => part !== '').join(' ')}`, USUAL_WIDTH).join('\n')
}

/** Between options, where it is too long for a line. */
export function wrapped(call: string, width: number): string[] {
  const lines: string[] = []
  for (const part of call.split(/ (?=\[|\|)/)) {
    const longer = lines.length === 0 ? part : `${lines.at(-1)} ${part}`
    if (longer.length <= width && lines.length > 0) lines[lines.length - 1] = longer
    else lines.push(lines.length === 0 ? part : `        ${part}`)
  }
  return lines
}
