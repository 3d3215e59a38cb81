/** What the audit log says of check-outs: each event is stored with the change that it records. */

import type { AuditEvent } from '../audit/event.ts'
import type { PrincipalFacts } from '../identity/principal.ts'
import type { CheckOutTerms } from '../policy/check-out.ts'
import { type AccountAddress, formatAccountAddress } from '../shared/names.ts'
import { isoTime } from '../shared/text/iso-time.ts'
import type { CheckOut, CheckOutEnd } from './check-out.ts'
import type { QueueEntry } from './rows.ts'

interface End {
  readonly reason: CheckOutEnd
  readonly by: string
  readonly session?: string
}

export const events = {
  started: (
    checkOut: CheckOut,
    { role, request }: Pick<CheckOutTerms, 'role' | 'request'>,
    session?: string,
  ): AuditEvent => ({
    ...common('check-out.started', checkOut.user, session),
    data: {
      ...named(checkOut),
      mode: checkOut.exclusive ? 'exclusive' : 'shared',
      way: checkOut.way,
      role,
      ...(request === undefined ? {} : { request }),
      until: isoTime(checkOut.until),
      source: checkOut.source,
      ...(checkOut.reason === undefined ? {} : { reason: checkOut.reason }),
      ...(checkOut.ticket === undefined ? {} : { ticket: checkOut.ticket }),
    },
  }),

  extended: (checkOut: CheckOut, before: number, session?: string): AuditEvent => ({
    ...common('check-out.extended', checkOut.user, session),
    data: { ...named(checkOut), until: isoTime(checkOut.until), before: isoTime(before) },
  }),

  ended: (checkOut: CheckOut, { reason, by, session }: End): AuditEvent => ({
    ...common('check-out.ended', by, session),
    data: { ...named(checkOut), user: checkOut.user, reason, revealed: checkOut.revealedAt !== undefined },
  }),

  revealed: (
    checkOut: CheckOut,
    shown: { lease: string; version: number; to: string },
    session?: string,
  ): AuditEvent => ({
    ...common('credential.revealed', checkOut.user, session),
    data: { ...named(checkOut), ...shown },
  }),

  leaseEnded: (checkOut: CheckOut, lease: string, { by, session }: End): AuditEvent => ({
    ...common('lease.ended', by, session),
    data: { ...named(checkOut), lease },
  }),

  refused: (
    { user, session }: PrincipalFacts & { session?: string },
    address: AccountAddress,
    why: string,
  ): AuditEvent => ({
    ...common('check-out.refused', user, session),
    data: { account: formatAccountAddress(address), why },
  }),

  queued: (entry: QueueEntry, session?: string): AuditEvent => ({
    ...common('check-out.queued', entry.user, session),
    data: { account: formatAccountAddress(entry) },
  }),

  offered: (entry: QueueEntry, until: number): AuditEvent => ({
    ...common('check-out.offered', 'gateway'),
    data: { account: formatAccountAddress(entry), user: entry.user, until: isoTime(until) },
  }),

  leftQueue: (entry: QueueEntry, why: string, session?: string): AuditEvent => ({
    ...common('check-out.left-queue', entry.user, session),
    data: { account: formatAccountAddress(entry), why },
  }),
}

function common<K extends AuditEvent['kind']>(kind: K, actor: string, session?: string) {
  return { kind, actor, ...(session === undefined ? {} : { session }) }
}

function named(checkOut: CheckOut): { checkOut: string; account: string } {
  return { checkOut: checkOut.id, account: formatAccountAddress(checkOut) }
}
