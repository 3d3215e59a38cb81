import type { SessionOutcome } from '../../session/conversation.ts'

/** One line on how a session ended, for when its person is back. */
export function outcomeText(address: string, outcome: SessionOutcome): string {
  const { session, text } = outcome
  if (outcome.kind === 'refused') return `${address}: ${text} [${outcome.code}, session ${session}]`
  const status = outcome.exitStatus ? `, exit status ${outcome.exitStatus}` : ''
  return `${address}: ${text}${status} (session ${session})`
}
