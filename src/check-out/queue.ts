/** Who waits for an account, and whose turn it is: changed in the transactions of check-outs. */

import type { RecordEvent } from '../audit/chain/outbox.ts'
import type { Database } from '../database/database.ts'
import type { Clock } from '../shared/clock.ts'
import { newId } from '../shared/ids.ts'
import { type AccountAddress, isSameAccount } from '../shared/names.ts'
import { isOpen } from './check-out.ts'
import { events } from './events.ts'
import type { CheckOutJobs } from './jobs.ts'
import type { CheckOutRows, QueueEntry } from './rows.ts'
import type { Asker } from './terms.ts'

/** So long the first in a queue has to take what has become free. */
export const OFFER_MS = 2 * 60_000

interface Parts {
  readonly rows: CheckOutRows
  readonly jobs: Pick<CheckOutJobs, 'tellAt'>
  readonly clock: Clock
}

export type CheckOutQueue = ReturnType<typeof createCheckOutQueue>

export function createCheckOutQueue({ rows, jobs, clock }: Parts) {
  return {
    /** Where the account is free, whoever is first in the queue has it offered; whose offer has lapsed is not in it any more. */
    async passTurn(on: Database, record: RecordEvent, accounts: readonly AccountAddress[]): Promise<void> {
      const now = clock.now()
      const open = await rows.openOf(accounts, on)
      if (open.some(one => isOpen(one, now))) return
      for (const entry of await rows.queueOf(accounts, on)) {
        if (entry.offeredUntil === undefined) {
          await rows.offer(entry.id, now + OFFER_MS, on)
          record(events.offered(entry, now + OFFER_MS))
          await jobs.tellAt(entry, now + OFFER_MS, on)
          return
        }
        if (entry.offeredUntil > now) return
        await rows.leaveQueue(entry.id, on)
        record(events.leftQueue(entry, 'the offer lapsed'))
      }
    },

    /** Their place, from 1 on: nobody waits twice for one account. */
    async join(
      on: Database,
      record: RecordEvent,
      queue: QueueEntry[],
      person: Pick<Asker, 'user' | 'session'>,
      address: AccountAddress,
    ): Promise<number> {
      const place = queue.findIndex(entry => entry.user === person.user && isSameAccount(entry, address))
      if (place >= 0) return place + 1
      const entry: QueueEntry = {
        id: newId('coq', clock.now()),
        user: person.user,
        ...address,
        askedAt: clock.now(),
        offeredUntil: undefined,
      }
      await rows.enqueue(entry, on)
      record(events.queued(entry, person.session))
      return queue.length + 1
    },
  }
}
