/** Whether the text of an error may be shown beside its statement: the server quotes the statement in it, and its values. */

import type { FactEvent } from '../../../recording/format/events.ts'
import type { ServerError } from '../wire/server-answers.ts'
import { holdsSecret, mentionsSecret } from './sql/secret-words.ts'

export type StatementFact = Extract<FactEvent, { type: 'statement' }>

export function mayShowError(event: StatementFact, { sqlstate, message }: ServerError): boolean {
  return (
    event.redacted !== true &&
    !holdsSecret(message) &&
    !(sqlstate.startsWith('22') && quotesOther(event, message)) &&
    (event.hidden !== true || saysNoMore(event, message))
  )
}

/** Whether it quotes a value that is not in the statement: it is from a table, by a cursor, a view or a function, and may be any. */
function quotesOther({ text, parameters }: StatementFact, message: string): boolean {
  // A quote in the value is not doubled: it goes on to the last one.
  const quoted = /"([\s\S]*)"/.exec(message)?.[1]
  return quoted !== undefined && !text.includes(quoted) && !(parameters ?? []).some(value => value?.includes(quoted))
}

/** Whether it quotes nothing that is hidden. */
function saysNoMore({ text }: StatementFact, message: string): boolean {
  const near = /^[^"']{0,80} at or near "([^"']{1,80})"$/.exec(message)?.[1]
  return near !== undefined && text.includes(near) && !mentionsSecret(text)
}
