/** A session's id as a path of the API. */

import { EXIT } from '../../../shared/exit-codes.ts'
import { SESSION_ID_PATTERN } from '../../../shared/ids.ts'
import type { Client } from '../../client.ts'
import { CliError } from '../../exit.ts'

export function isSessionId(text: string): boolean {
  return SESSION_ID_PATTERN.test(text)
}

/** What is not an id is refused here, before it becomes part of a path. */
export function pathOf(id: string): string {
  if (!isSessionId(id))
    throw new CliError(EXIT.usage, `"${id}" is not a session's id.`, '`sallyport session list` shows the ids.')
  return `/v1/sessions/${id}`
}

/** Like `pathOf`, and `last` is the session that began last. */
export async function pathOfOrLast(id: string, client: Client): Promise<string> {
  if (id !== 'last') return pathOf(id)
  const { sessions } = await client.get<{ sessions: { id: string }[] }>('/v1/sessions', { limit: '1' })
  if (sessions[0] === undefined) throw new CliError(EXIT.no, 'There are no sessions yet.')
  return pathOf(sessions[0].id)
}
