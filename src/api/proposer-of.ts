/** As whom a caller of the API proposes a change: a person by their own token, the holder of a token, or the owner. */

import type { Proposer } from '../proposals/proposal.ts'
import type { Caller } from './authentication.ts'

export function proposerOf({ actor, token, personal }: Caller): Proposer {
  if (token === undefined) return { is: 'owner' }
  return personal === undefined ? { is: 'token', user: actor, token } : { is: 'person', user: actor }
}
