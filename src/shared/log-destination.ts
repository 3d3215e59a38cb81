/** Where the log goes: JSON lines for machines, and on a terminal lines for people. */

import type { DestinationStream } from 'pino'
import { markUnseen, visibleName } from './text/unseen.ts'

/** Undefined: stdout as it is. pino-pretty is loaded only where somebody looks. */
export async function logDestination(): Promise<DestinationStream | undefined> {
  if (process.stdout.isTTY !== true) return undefined
  const { default: pretty } = await import('pino-pretty')
  const colorize = !process.env.NO_COLOR && process.env.TERM !== 'dumb'
  const people = pretty({ colorize, singleLine: true, translateTime: 'SYS:HH:MM:ss', sync: true })
  return { write: line => people.write(escapeLine(line)) }
}

/** The same line, but what others wrote into it (names, errors of a target) neither acts on the terminal nor hides in the text. */
export function escapeLine(line: string): string {
  const value: unknown = JSON.parse(line, (_key, value: unknown) =>
    typeof value === 'string' ? escapeText(value) : value,
  )
  return `${JSON.stringify(value)}\n`
}

function escapeText(text: string): string {
  return markUnseen(text, visibleName).replace(/\p{Cc}/gu, character =>
    character === '\n' ? character : visibleName(character.charCodeAt(0)),
  )
}
