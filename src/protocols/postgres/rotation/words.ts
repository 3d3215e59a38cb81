/** What came of a login or a statement, in the target's own words: bounded, on one line, without anything that a login could be made of. */

import { GatewayError, messageOf } from '../../../shared/errors.ts'
import type { Secret } from '../../../shared/secret.ts'
import { printable } from '../../../shared/text/printable.ts'
import { shortened } from '../../../shared/text/shortened.ts'
import { TargetLoginFailed, TargetRefusal } from '../target-side/target-refusal.ts'

const MOST_CHARACTERS = 400

/** Of what was thrown on the way to a login, by a server that may know these secrets. */
export function wordsOf(error: unknown, secrets: readonly Secret[] = []): string {
  if (error instanceof TargetRefusal) return refusalWords(error.keeping(secrets, false))
  if (error instanceof TargetLoginFailed) return wordsOf(error.cause, secrets)
  const known = error instanceof GatewayError ? error : new GatewayError('INTERNAL', messageOf(error))
  const cause = known.cause === undefined ? '' : ` (${messageOf(known.cause)})`
  return bounded(`${known.message}${cause}`)
}

export function refusalWords({ words, sqlstate }: TargetRefusal): string {
  const said = words === undefined ? 'its words are withheld, as they could hold the credential' : words
  return bounded(`${said} [SQLSTATE ${sqlstate}]`)
}

function bounded(text: string): string {
  return shortened(printable(text), MOST_CHARACTERS)
}
