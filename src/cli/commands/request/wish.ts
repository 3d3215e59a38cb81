/** What is asked for on the command line, as the API takes it. */

import { readStart, readWish, type TypedWish } from '../../../access-requests/read-wish.ts'
import { parseTime } from '../../terminal/time.ts'

export function wishOf(address: string | undefined, typed: TypedWish, now: number): Record<string, unknown> {
  const { on, forMs: _, startsAt: __, ...wish } = readWish(address, { ...typed, at: undefined }, { now })
  return { ...wish, ...on, for: typed.for, startsAt: startOf(typed.at, now) }
}

/** In ISO 8601: local, unless it says a zone; `30m` is from now. */
export function startOf(at: string | undefined, now: number): string | undefined {
  if (at === undefined) return undefined
  const timeOf = (text: string) => Date.parse(parseTime(text, '--at', now))
  return new Date(readStart(at, { now, timeOf })).toISOString()
}
