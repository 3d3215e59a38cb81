/** The second step of the pipeline: whether this person may be this account on this target, and how that is decided anew later. */

import type { Principal } from '../../identity/principal.ts'
import type { Denial } from '../../policy/authorize.ts'
import { covers } from '../../policy/covers.ts'
import type { Grant } from '../../policy/grant.ts'
import type { GivenWords } from '../../policy/session-conditions.ts'
import { isRefusal } from '../../shared/errors.ts'
import type { Access } from '../access.ts'
import type { LiveSessions } from '../live/live-sessions.ts'
import type { LoginClient } from '../protocol.ts'
import type { SessionAudit } from '../records/session-audit.ts'
import type { Authenticated } from './authenticated.ts'

export interface Authorized {
  readonly grant: Grant
  /** Decides anew whether the session may go on: false withdraws it. */
  readonly stillAllowed: () => Promise<boolean>
  /** `LiveSessions.accessChanges` when it was decided: if it has grown, the decision may be out of date. */
  readonly accessChanges: number
}

export interface AuthorizeParts {
  readonly access: Access
  readonly live: Pick<LiveSessions, 'accessChanges'>
  readonly sessionAudit: SessionAudit
}

export interface Asking extends Authenticated {
  /** What they say of the session. */
  readonly words: GivenWords
  /** It was decided before, for the same login. */
  readonly again?: true
}

/** Resolves once the decision is in the audit log. */
export async function authorizeSession(
  { access, live, sessionAudit }: AuthorizeParts,
  client: LoginClient,
  session: string,
  who: Asking,
): Promise<Authorized | Denial> {
  const { protocol, database } = client
  const { login, words } = who
  const decide = (principal: Principal) => access.decide(principal, session, { protocol, login, database, words })
  const { accessChanges } = live
  const grant = await decide(who.principal)
  await Promise.all([
    who.again ? undefined : sessionAudit.loginAccepted(client, session, who),
    sessionAudit.decided(client, session, who, grant),
  ])
  if (isRefusal(grant)) return grant

  return {
    grant,
    async stillAllowed() {
      const principal = await who.renew()
      const anew = principal && (await decide(principal))
      return anew !== undefined && !isRefusal(anew) && covers(anew, grant)
    },
    accessChanges,
  }
}
