/** The words of a wish, the reason and the ticket: against what an account's entry or a role's offer demands. */

import { GatewayError } from '../shared/errors.ts'
import { linearPattern } from '../shared/text/linear-pattern.ts'
import { printable } from '../shared/text/printable.ts'
import { MOST_TICKET } from '../targets/target.ts'

const MOST_REASON = 500
/** It stands in tables and in logs. */
const UNFIT = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}]/u
/** Blanks alone, also the one of Braille. */
const BLANK = /^[\p{Z}\u2800]*$/u

export interface DemandedWords {
  readonly reason: 'required' | 'optional'
  /** A ticket of this form. */
  readonly ticket?: string | undefined
}

/** Trimmed. `what`: `This account`; `example`: a whole command that has what is demanded. Throws `BAD_REQUEST`. */
export function checkWords(
  { reason: demanded, ticket: pattern }: DemandedWords,
  wish: { readonly reason?: string | undefined; readonly ticket?: string | undefined },
  what: string,
  example: string,
): { reason: string | undefined; ticket: string | undefined } {
  const reason = checkText('reason', wish.reason, MOST_REASON)
  const ticket = checkText('ticket', wish.ticket, MOST_TICKET)
  if (demanded === 'required' && reason === undefined) throw bad(`${what} needs a reason, as in: ${example}`)
  if (pattern !== undefined) {
    if (ticket === undefined) throw bad(`${what} needs a ticket of the form ${pattern}, as in: ${example}`)
    if (!linearPattern(pattern).matches(ticket)) throw bad(`The ticket is not of the form ${pattern}.`)
  }
  return { reason, ticket }
}

/** Whether all of its characters are such as people see. */
export function isSeen(text: string): boolean {
  return !UNFIT.test(text) && printable(text) === text
}

/** Trimmed; undefined where nothing to be seen is left. Throws `BAD_REQUEST`. */
export function checkText(name: string, given: string | undefined, most = MOST_REASON): string | undefined {
  const text = given?.trim()
  if (text === undefined || BLANK.test(text)) return undefined
  if (!isSeen(text)) throw bad(`The ${name} has characters that are not seen.`)
  if ([...text].length > most) throw bad(`The ${name} has more than ${most} characters.`)
  return text
}

function bad(message: string): GatewayError {
  return new GatewayError('BAD_REQUEST', message)
}
