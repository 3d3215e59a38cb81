/** What somebody asks for, against what the account's entry and their roles allow: reason, ticket and time. */

import type { CheckOutTerms } from '../policy/check-out.ts'
import { durationWords } from '../shared/durations.ts'
import { GatewayError } from '../shared/errors.ts'
import { linearPattern } from '../shared/text/linear-pattern.ts'
import type { CheckOutWay } from '../shared/vocabulary.ts'
import { type CheckOutRule, MOST_TICKET } from '../targets/target.ts'

/** Of a check-out that does not say. */
const USUAL_MS = 3_600_000
const MOST_REASON = 500
/** It stands in tables and in logs. */
const UNFIT = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}]/u

/** Throws `BAD_REQUEST`. */
export function checkWords(
  { reason: demanded, ticket: pattern }: CheckOutRule,
  wish: { readonly reason?: string | undefined; readonly ticket?: string | undefined },
  /** A whole command that has what is demanded. */
  example: string,
): { reason: string | undefined; ticket: string | undefined } {
  const reason = wish.reason?.trim() || undefined
  const ticket = wish.ticket?.trim() || undefined
  for (const [name, text, most] of [
    ['reason', reason, MOST_REASON],
    ['ticket', ticket, MOST_TICKET],
  ] as const) {
    if (text === undefined) continue
    if (UNFIT.test(text)) throw bad(`The ${name} has characters that are not seen.`)
    if ([...text].length > most) throw bad(`The ${name} has more than ${most} characters.`)
  }
  if (demanded === 'required' && reason === undefined) throw bad(`This account needs a reason, as in: ${example}`)
  if (pattern !== undefined) {
    if (ticket === undefined) throw bad(`This account needs a ticket of the form ${pattern}, as in: ${example}`)
    if (!linearPattern(pattern).matches(ticket)) throw bad(`The ticket is not of the form ${pattern}.`)
  }
  return { reason, ticket }
}

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
