/** Decides anew for all that are open, and for all who wait: what would not be given today ends. */

import type { Clock } from '../shared/clock.ts'
import type { AccountAddress } from '../shared/names.ts'
import { type CheckOut, isOpen } from './check-out.ts'
import type { CheckOutEnds } from './ends.ts'
import { events } from './events.ts'
import type { CheckOutQueue } from './queue.ts'
import type { CheckOutRows } from './rows.ts'
import { type AccessOfNow, createStillAllowed } from './still-allowed.ts'
import type { Change } from './turn.ts'

const MOST_OF_ONE = 1000

interface Parts {
  readonly rows: CheckOutRows
  readonly queue: CheckOutQueue
  readonly ends: Pick<CheckOutEnds, 'endOne'>
  readonly change: Change
  readonly changed: (address: AccountAddress) => Promise<void>
  readonly accessOfNow: AccessOfNow
  readonly clock: Clock
}

interface Review {
  /** All of them, and all who wait. */
  review(): Promise<void>
  /** What one user has. */
  reviewOf(user: string): Promise<void>
}

export function createReview({ rows, queue, ends, change, changed, accessOfNow, clock }: Parts): Review {
  const still = createStillAllowed(accessOfNow)

  /** Whoever waits and could not have it any more, whatever they proved, keeps nobody else from their turn. */
  async function reviewQueue(address: AccountAddress): Promise<void> {
    const gone = new Set<string>()
    for (const entry of await rows.queueOf([address])) if (!(await still.mayWait(entry))) gone.add(entry.id)
    if (gone.size === 0) return
    await change(address, async (on, record, accounts) => {
      for (const entry of await rows.queueOf([address], on)) {
        if (!gone.has(entry.id)) continue
        await rows.leaveQueue(entry.id, on)
        record(events.leftQueue(entry, 'access withdrawn'))
      }
      await queue.passTurn(on, record, accounts)
    })
    await changed(address)
  }

  async function reviewOne(one: CheckOut): Promise<void> {
    if (!isOpen(one, clock.now())) {
      await ends.endOne(one.id, { reason: 'time-over', by: 'gateway' }, one => !isOpen(one, clock.now()))
    } else if (!(await still.mayKeep(one))) {
      await ends.endOne(one.id, { reason: 'access-withdrawn', by: 'gateway' }, () => true)
    }
  }

  return {
    async review() {
      for (const address of await rows.waitedFor()) await reviewQueue(address)
      for await (const some of rows.open()) for (const one of some) await reviewOne(one)
    },
    async reviewOf(user) {
      for (const one of await rows.list({ user, state: 'open', limit: MOST_OF_ONE })) await reviewOne(one)
    },
  }
}
