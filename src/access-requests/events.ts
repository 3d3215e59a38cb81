/** What the audit log says of requests: each event is stored with the change that it records. */

import type { AuditEvent } from '../audit/event.ts'
import { durationWords } from '../shared/durations.ts'
import { isoTime } from '../shared/text/iso-time.ts'
import type { AskedAccess, RequestedAccess } from './request.ts'
import { plannedEnd } from './transition.ts'

interface By {
  readonly by: string
  readonly session?: string | undefined
}

/** What happened to a request: the audit log has it as `access-request.…`. */
export type RequestHappening =
  | 'asked'
  /** One of several approvals that it needs. */
  | 'approved-by-one'
  | 'escalated'
  | 'approved'
  | 'denied'
  | 'expired'
  | 'cancelled'
  | 'began'
  | 'extended'
  | 'ended'
  | 'revoked'

export function happened(
  what: RequestHappening,
  request: RequestedAccess,
  { by, session }: By,
  more: Readonly<Record<string, unknown>> = {},
): AuditEvent {
  const { id, user, role, offer } = request
  return {
    kind: `access-request.${what}`,
    actor: by,
    ...(session === undefined ? {} : { session }),
    data: { request: id, user, role, offer, ...factsOf(what, request), ...more },
  }
}

/** Of somebody who may not, or whose second factor was wrong. */
export function refused({ by, session }: By, data: Readonly<Record<string, unknown>>): AuditEvent {
  return { kind: 'access-request.refused', actor: by, ...(session === undefined ? {} : { session }), data }
}

function factsOf(what: RequestHappening, { kind, wish, extensionOf, state }: RequestedAccess): Record<string, unknown> {
  switch (what) {
    case 'asked':
      return {
        ...(kind === 'access' ? {} : { wanted: kind }),
        ...(extensionOf === undefined ? {} : { extensionOf }),
        ...accessFacts(wish),
        ...(wish.reason === undefined ? {} : { reason: wish.reason }),
        ...(wish.ticket === undefined ? {} : { ticket: wish.ticket }),
        ...(wish.template === undefined ? {} : { template: wish.template }),
        source: wish.source,
      }
    case 'approved':
    case 'approved-by-one':
      return state.given === undefined ? {} : accessFacts(state.given)
    case 'began':
    case 'extended': {
      const until = state.is === 'approved' || state.is === 'active' ? plannedEnd(state) : undefined
      return until === undefined ? {} : { until: isoTime(until) }
    }
    case 'escalated':
    case 'denied':
    case 'expired':
    case 'cancelled':
    case 'ended':
    case 'revoked':
      return 'words' in state && state.words !== undefined ? { why: state.words } : {}
  }
}

function accessFacts({ targets, accounts, channels, databases, lengthMs, startsAt }: AskedAccess) {
  return {
    ...{ targets, accounts, channels },
    ...(databases === undefined ? {} : { databases }),
    for: durationWords(lengthMs),
    ...(startsAt === undefined ? {} : { startsAt: isoTime(startsAt) }),
  }
}
