/** What happens to proposals, and how the audit log tells it. */

import type { Actor } from '../access-requests/actor.ts'
import type { AuditEvent, AuditKind } from '../audit/event.ts'
import { actorOf, type ProposalAct, type ProposedChange } from './proposal.ts'

export type ProposalHappening = 'made' | 'approved-by-one' | 'applied' | 'denied' | 'withdrawn' | 'expired' | 'outdated'

export function happeningOf({ act }: ProposalAct): ProposalHappening {
  const done = {
    approve: 'approved-by-one',
    apply: 'applied',
    deny: 'denied',
    withdraw: 'withdrawn',
    expire: 'expired',
    outdate: 'outdated',
  } as const
  return done[act]
}

export function eventOf(
  kind: AuditKind,
  actor: string,
  { id, proposer, changes }: ProposedChange,
  { session, ...data }: Readonly<Record<string, unknown>> = {},
): AuditEvent {
  const by =
    proposer.is === 'token' ? { token: proposer.token } : proposer.is === 'request' ? { request: proposer.request } : {}
  return {
    ...{ kind, actor, data: { proposal: id, proposedBy: actorOf(proposer), ...by, resources: changes, ...data } },
    ...(typeof session === 'string' ? { session } : {}),
  }
}

export function sessionOf({ session }: Pick<Actor, 'session'>): { session?: string } {
  return session === undefined ? {} : { session }
}
