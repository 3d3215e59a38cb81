/** The user behind a personal token, as they are now, for what only persons do. */

import type { Actor } from '../access-requests/actor.ts'
import { GatewayError } from '../shared/errors.ts'
import type { Caller } from './authentication.ts'
import type { ApiParts } from './parts.ts'

/** `what`: `One decides`. Throws `BAD_REQUEST` for whoever is none, and `FORBIDDEN` where they could not log in any more. */
export function personOf(
  { actor, personal, source }: Caller,
  { users }: Pick<ApiParts, 'users'>,
  what: string,
): () => Promise<Actor> {
  if (personal === undefined)
    throw new GatewayError(
      'BAD_REQUEST',
      `${what} with a personal token, which its user has made: sallyport login --ssh USER@GATEWAY`,
    )
  const { proven } = personal.token
  return async () => {
    const user = await users.get(actor)
    if (user === undefined || user.disabled) throw new GatewayError('FORBIDDEN', 'Your access was withdrawn.')
    return { user: user.name, roles: user.roles, proven, sourceAddress: source }
  }
}
