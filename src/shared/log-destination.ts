/** Where the log goes: JSON lines for machines, and on a terminal lines for people. */

import type { DestinationStream } from 'pino'

/** Undefined: stdout as it is. pino-pretty is loaded only where somebody looks. */
export async function logDestination(): Promise<DestinationStream | undefined> {
  if (process.stdout.isTTY !== true) return undefined
  const { default: pretty } = await import('pino-pretty')
  const colorize = !process.env.NO_COLOR && process.env.TERM !== 'dumb'
  return pretty({ colorize, singleLine: true, translateTime: 'SYS:HH:MM:ss', sync: true })
}
