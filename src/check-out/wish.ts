/** The time that somebody asks for, against what the account's entry and their roles allow. */

import type { CheckOutTerms } from '../policy/check-out.ts'
import { durationWords } from '../shared/durations.ts'
import { GatewayError } from '../shared/errors.ts'
import type { CheckOutWay } from '../shared/vocabulary.ts'

/** Of a check-out that does not say. */
const USUAL_MS = 3_600_000

/** The latest end, in milliseconds since the epoch. */
export function longestUntil({ ways, hoursEndAt }: CheckOutTerms, way: CheckOutWay, startedAt: number): number {
  return Math.min(startedAt + (ways.get(way) ?? 0), hoursEndAt)
}

/** `from` and so much more; `what`: `root@web-01 can be extended by`. Throws `BAD_REQUEST` where that is longer than allowed. */
export function untilOf(from: number, forMs: number | undefined, longest: number, what: string): number {
  if (longest <= from) throw bad(`${what} no time now.`)
  if (forMs === undefined) return Math.min(from + USUAL_MS, longest)
  if (!(forMs > 0)) throw bad('--for must be more than 0s.')
  if (from + forMs <= longest) return from + forMs
  const unit = longest - from < 60_000 ? 1000 : 60_000
  throw bad(`${what} ${durationWords(Math.floor((longest - from) / unit) * unit)} at most.`)
}

function bad(message: string): GatewayError {
  return new GatewayError('BAD_REQUEST', message)
}
