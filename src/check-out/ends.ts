/** The ends of check-outs: each with its events, what must follow, and whose turn it is then. */

import type { RecordEvent } from '../audit/chain/outbox.ts'
import type { AuditAppender } from '../audit/event.ts'
import type { Database } from '../database/database.ts'
import type { Clock } from '../shared/clock.ts'
import type { AccountAddress } from '../shared/names.ts'
import type { Vault } from '../vault/vault.ts'
import { type CheckOut, type CheckOutEnd, isOpen } from './check-out.ts'
import { events } from './events.ts'
import type { CheckOutJobs } from './jobs.ts'
import type { CheckOutQueue } from './queue.ts'
import type { CheckOutRows } from './rows.ts'
import type { Change } from './turn.ts'

interface Parts {
  readonly rows: CheckOutRows
  readonly queue: CheckOutQueue
  readonly change: Change
  /** Whoever watches the account looks now. */
  readonly changed: (address: AccountAddress) => Promise<void>
  readonly vault: Pick<Vault, 'endLeases'>
  readonly jobs: CheckOutJobs
  readonly audit: Pick<AuditAppender, 'flush'>
  readonly clock: Clock
  readonly count: (what: CheckOutEnd) => void
}

export type CheckOutEnds = ReturnType<typeof createCheckOutEnds>

export function createCheckOutEnds({ rows, queue, change, changed, vault, jobs, audit, clock, count }: Parts) {
  async function finish(
    on: Database,
    record: RecordEvent,
    accounts: readonly AccountAddress[],
    checkOut: CheckOut,
    end: { reason: CheckOutEnd; by: string; session?: string },
  ) {
    const ended = await rows.act(checkOut, { act: 'end', at: clock.now(), ...end }, on)
    if (ended === undefined) return undefined
    for (const lease of await vault.endLeases({ kind: 'check-out', checkOut: checkOut.id }, on)) {
      record(events.leaseEnded(checkOut, lease, end))
    }
    record(events.ended(ended, end))
    await jobs.cancelEnd(checkOut.id, on)
    if (checkOut.revealedAt !== undefined) await jobs.rotateRevealed(checkOut, on)
    else await jobs.afterCheckIn(checkOut, on)
    await queue.passTurn(on, record, accounts)
    return ended
  }

  return {
    /** What is over in time and not written down as such yet. */
    async endOverdue(on: Database, record: RecordEvent, accounts: readonly AccountAddress[]): Promise<CheckOutEnd[]> {
      const ends: CheckOutEnd[] = []
      for (const one of await rows.openOf(accounts, on)) {
        if (isOpen(one, clock.now())) continue
        if (await finish(on, record, accounts, one, { reason: 'time-over', by: 'gateway' })) ends.push('time-over')
      }
      return ends
    },

    /** Undefined where it has ended, never was, or is not `still` so in the transaction. */
    async endOne(
      id: string,
      end: { reason: CheckOutEnd; by: string; session?: string },
      still: (one: CheckOut) => boolean,
    ): Promise<CheckOut | undefined> {
      const found = await rows.get(id)
      if (found === undefined || found.state.is === 'ended') return undefined
      const ended = await change(found, async (on, record, accounts) => {
        const now = await rows.get(id, on)
        return now !== undefined && still(now) ? finish(on, record, accounts, now, end) : undefined
      })
      if (ended === undefined) return undefined
      count(end.reason)
      await changed(ended)
      await audit.flush().catch(() => undefined)
      return ended
    },
  }
}
