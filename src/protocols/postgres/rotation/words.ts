/** What came of a login or a statement, in the target's own words: bounded, on one line, without anything that a login could be made of. */

import { GatewayError, messageOf } from '../../../shared/errors.ts'
import { printable } from '../../../shared/text/printable.ts'
import { TargetLoginFailed, TargetRefusal } from '../target-side/target-refusal.ts'

const MOST_CHARACTERS = 400
/** As `pg_authid` holds them: an extension that refuses one may quote it. */
const VERIFIERS = /SCRAM-SHA-256\$\S*|\bmd5[0-9a-f]{32}\b/gi

/** Of what was thrown on the way to a login. */
export function wordsOf(error: unknown): string {
  if (error instanceof TargetRefusal) return refusalWords(error)
  if (error instanceof TargetLoginFailed) return wordsOf(error.cause)
  const known = error instanceof GatewayError ? error : new GatewayError('INTERNAL', messageOf(error))
  const cause = known.cause === undefined ? '' : ` (${messageOf(known.cause)})`
  return bounded(`${known.message}${cause}`)
}

export function refusalWords({ words, sqlstate }: TargetRefusal): string {
  const said = words === undefined ? 'its words are withheld, as they could hold the credential' : words
  return bounded(`${said.replace(VERIFIERS, '[verifier]')} [SQLSTATE ${sqlstate}]`)
}

function bounded(text: string): string {
  const characters = [...printable(text)]
  return characters.length <= MOST_CHARACTERS
    ? characters.join('')
    : `${characters.slice(0, MOST_CHARACTERS).join('')}…`
}
