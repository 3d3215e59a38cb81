/** The second step of the pipeline: whether this person may be this account on this target, and how that is decided anew later. */

import type { Principal } from '../../identity/principal.ts'
import type { Denial } from '../../policy/authorize.ts'
import { covers } from '../../policy/covers.ts'
import type { Grant } from '../../policy/grant.ts'
import type { GivenWords } from '../../policy/session-conditions.ts'
import type { Clock } from '../../shared/clock.ts'
import { isRefusal } from '../../shared/errors.ts'
import type { Access, RunningSession } from '../access.ts'
import type { LiveSessions } from '../live/live-sessions.ts'
import type { LoginClient } from '../protocol.ts'
import type { SessionAudit } from '../records/session-audit.ts'
import type { DecidedAnew } from '../state.ts'
import type { Authenticated } from './authenticated.ts'
import { MovedEnd } from './moved-end.ts'

export interface Authorized {
  readonly grant: Grant
  /** Decides anew whether the session may go on, and until when. One after the other: the last is of the latest facts. */
  readonly stillAllowed: () => Promise<DecidedAnew>
  /** `LiveSessions.accessChanges` when it was decided: if it has grown, the decision may be out of date. */
  readonly accessChanges: number
}

export interface AuthorizeParts {
  readonly access: Access
  readonly live: Pick<LiveSessions, 'accessChanges'>
  readonly sessionAudit: SessionAudit
  readonly clock: Clock
}

export interface Asking extends Authenticated {
  /** What they say of the session. */
  readonly words: GivenWords
  /** It was decided before, for the same login. */
  readonly again?: true
}

/** Resolves once the decision is in the audit log. */
export async function authorizeSession(
  { access, live, sessionAudit, clock }: AuthorizeParts,
  client: LoginClient,
  session: string,
  who: Asking,
): Promise<Authorized | Denial> {
  const { protocol, database } = client
  const { login, words } = who
  const decide = (principal: Principal, running?: RunningSession) =>
    access.decide(principal, session, { protocol, login, database, words }, running)
  const { accessChanges } = live
  const since = clock.now()
  const grant = await decide(who.principal)
  await Promise.all([
    who.again ? undefined : sessionAudit.loginAccepted(client, session, who),
    sessionAudit.decided(client, session, who, grant),
  ])
  if (isRefusal(grant)) return grant

  const end = new MovedEnd(grant, sessionAudit)
  const decideAnew = async (): Promise<DecidedAnew> => {
    const principal = await who.renew()
    const anew = principal && (await decide(principal, { since, request: grant.request }))
    if (anew !== undefined && !isRefusal(anew) && covers(anew, grant))
      return { is: 'allowed', ends: await end.moveTo(anew.ends) }
    // Whoever ends a request has this decided anew as well, and tells of its end: the reason is the same, whatever is heard first.
    const requestOver = grant.request !== undefined && !(await access.gives(grant.user, grant.request))
    return { is: 'withdrawn', reason: requestOver ? 'request-ended' : 'access-revoked' }
  }
  let latest: Promise<unknown> = Promise.resolve()
  return {
    grant,
    stillAllowed() {
      const next = latest.then(decideAnew)
      latest = next.catch(() => undefined)
      return next
    },
    accessChanges,
  }
}
