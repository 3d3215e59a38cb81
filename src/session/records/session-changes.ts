/** The changes of a session's state: lease, row and seal together, each in one transaction with its audit events. */

import type { Outbox, RecordEvent } from '../../audit/chain/outbox.ts'
import type { AuditAppender } from '../../audit/event.ts'
import type { Database } from '../../database/database.ts'
import type { Grant } from '../../policy/grant.ts'
import type { FoundSeal } from '../../recording/store/seal-interrupted.ts'
import type { Log } from '../../shared/log.ts'
import type { Hop } from '../../targets/route.ts'
import { ofSession, type PromisedLease } from '../../vault/lease.ts'
import type { Vault } from '../../vault/vault.ts'
import type { AccountUse, UsedAccount } from '../account-use.ts'
import type { KnownAtTarget } from '../protocol.ts'
import { endReasonOf } from '../state.ts'
import { demandOneLive, untilEarlierEnded } from './one-live-session.ts'
import { stateEvents } from './session-audit.ts'
import type { Ending, SessionRow, SessionStore } from './session-store.ts'

/** What the row of a new session says beside the grant. */
export interface SessionFacts {
  readonly source: string
  readonly recording: string
  readonly details: Record<string, string>
}

export interface SessionChanges {
  /** Where the user may have one session at a time: the one before is given a moment to be written down as ended. Throws when the store is away. */
  earlierEnded(grant: Grant): Promise<void>
  /**
   * The lease is lent and the session opened, and both audited: it may be opened then. Throws `AUDIT_UNAVAILABLE`, and what `AccountUse` and `UseRequest` throw: it
   * must then not go on.
   */
  begin(lease: PromisedLease, facts: SessionFacts): Promise<void>
  /** A hop's credential is lent to the session as well, and audited. Throws as `begin` does: it must then not be used. */
  lendForHop(lease: PromisedLease, hop: Pick<Hop, 'account' | 'target'>): Promise<void>
  /** False, and nothing audited, when the session has ended meanwhile. Throws `AUDIT_UNAVAILABLE`. */
  activate(grant: Grant, atTarget: KnownAtTarget): Promise<boolean>
  /**
   * Ends lease and session, and audits what was not ended before: a second time nothing happens. False when the seal is not in the
   * session records then: they have another one. Throws when the store is away; the audit log's chain may be written later.
   */
  end(of: Pick<Grant, 'session' | 'user'>, ending: Ending): Promise<boolean>
  /** The same for a session that a dead gateway left. False when another one was quicker. */
  endLeft(row: SessionRow, seal: FoundSeal | undefined): Promise<boolean>
  /** Ends the leases of a session that has ended or never was. */
  endLeftLeases(session: string): Promise<void>
  /** Records the seal of a session that has ended; the reason that it gives replaces `interrupted`. False when a seal is recorded already. */
  noteSeal(session: string, seal: FoundSeal): Promise<boolean>
}

/**
 * In the transaction in which something is lent by an approved request: it is used from now on. Throws `ACCESS_DENIED` where it is over by
 * then, in words for the user.
 */
export type UseRequest = (request: string, on: Database, record: RecordEvent) => Promise<void>

export function createSessionChanges(parts: {
  outbox: Outbox
  audit: AuditAppender
  sessions: SessionStore
  vault: Pick<Vault, 'startLease' | 'endLeases'>
  accountUse: AccountUse
  useRequest: UseRequest
  /** What follows when a session does not have what these leases lent any more: in the same transaction. */
  leasesEnded: (leases: readonly string[], on: Database) => Promise<void>
  log: Log
}): SessionChanges {
  const { outbox, audit, sessions, vault, accountUse, useRequest, leasesEnded, log } = parts

  /** Those of a session, each with its event. */
  async function endLeases(session: string, on: Database, ended: (lease: string) => void): Promise<void> {
    const leases = await vault.endLeases(ofSession(session), on)
    for (const lease of leases) ended(lease)
    await leasesEnded(leases, on)
  }

  /** What has happened is appended when the chain can be written. */
  async function flushLater(session: string): Promise<void> {
    await audit
      .flush()
      .catch(error =>
        log.error({ err: error, session }, 'events wait in the outbox: the audit log cannot be written now'),
      )
  }

  return {
    earlierEnded: grant => untilEarlierEnded(sessions, grant),

    async begin(lease, { source, recording, details }) {
      const { grant } = lease
      await outbox.change(async (on, record) => {
        await demandOneLive(sessions, grant, on)
        if (grant.request !== undefined) await useRequest(grant.request, on, record)
        const within = await accountUse.lend(usedBy(grant, grant, false), on)
        await vault.startLease(lease, on)
        await sessions.open(grant, source, recording, { ...details, ...within }, on)
        record(stateEvents.leaseStarted(lease))
      })
      await audit.flush()
    },

    async lendForHop(lease, hop) {
      await outbox.change(async (on, record) => {
        await accountUse.lend(usedBy(lease.grant, hop, true), on)
        await vault.startLease(lease, on)
        record(stateEvents.leaseStarted(lease))
      })
      await audit.flush()
    },

    async activate(grant, atTarget) {
      const activated = await outbox.change(async (on, record) => {
        const changed = await sessions.activate(grant.session, atTarget, on)
        if (changed) record(stateEvents.sessionStarted(grant))
        return changed
      })
      if (activated) await audit.flush()
      return activated
    },

    async end({ session, user }, ending) {
      const { reason, sealed, tampered } = ending
      const sealRecorded = await outbox.change(async (on, record) => {
        await endLeases(session, on, lease => record(stateEvents.leaseEnded(user, session, lease)))
        if (await sessions.end(session, ending, on)) {
          record(stateEvents.sessionEnded(user, session, ending))
          // Where the row was ended before, another gateway took this one for dead, and sealed what was there.
          if (tampered !== undefined) record(stateEvents.recordingTampered(session, tampered))
          return true
        }
        if (sealed === undefined) return true
        // Another gateway that took this one for dead has ended the row already: it did not know the seal.
        const noted = await sessions.noteSeal(session, sealed, reason, on)
        if (noted) record(stateEvents.sealNoted(session, sealed, reason))
        return noted
      })
      await flushLater(session)
      return sealRecorded
    },

    async endLeft({ id: session, gateway }, seal) {
      // What the gateway signed before it died is the true reason.
      const reason = (seal && endReasonOf(seal.reason)) ?? 'interrupted'
      const ending: Ending = { reason, ...(seal === undefined ? {} : { sealed: seal, at: seal.endedAt }) }
      const ended = await outbox.change(async (on, record) => {
        await endLeases(session, on, lease => record(stateEvents.leaseEnded('gateway', session, lease, { gateway })))
        const changed = await sessions.end(session, ending, on)
        if (changed) record(stateEvents.sessionEnded('gateway', session, ending, { gateway }))
        return changed
      })
      await flushLater(session)
      return ended
    },

    async endLeftLeases(session) {
      await outbox.change(async (on, record) => {
        await endLeases(session, on, lease => record(stateEvents.leaseEnded('gateway', session, lease, { left: true })))
      })
      await flushLater(session)
    },

    async noteSeal(session, seal) {
      const noted = await outbox.change(async (on, record) => {
        const changed = await sessions.noteSeal(session, seal, endReasonOf(seal.reason), on)
        if (changed) record(stateEvents.sealNoted(session, seal, seal.reason))
        return changed
      })
      await flushLater(session)
      return noted
    },
  }
}

function usedBy(
  { user, seesHolder }: Grant,
  { account, target }: Pick<Grant, 'account' | 'target'>,
  asHop: boolean,
): UsedAccount {
  return { user, account, target, seesHolder, asHop }
}
