/** A session's id as a path of the API. */

import { CliError, EXIT } from './exit.ts'

const SESSION_ID = /^ses_[0-9a-z]{26}$/

export function isSessionId(text: string): boolean {
  return SESSION_ID.test(text)
}

/** What is not an id is refused here, before it becomes part of a path. */
export function pathOf(id: string): string {
  if (!isSessionId(id))
    throw new CliError(EXIT.usage, `"${id}" is not a session's id.`, '`sallyport session list` shows the ids.')
  return `/v1/sessions/${id}`
}
