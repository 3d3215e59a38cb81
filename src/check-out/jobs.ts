/** What must happen by itself later: planned in the transaction of the change that it follows from. */

import type { Database } from '../database/database.ts'
import type { AccountAddress } from '../shared/names.ts'
import type { CheckOut } from './check-out.ts'

export interface CheckOutJobs {
  /** It ends then; an earlier plan for the same is replaced. */
  endAt(checkOut: CheckOut, on: Database): Promise<void>
  cancelEnd(id: string, on: Database): Promise<void>
  /** An offer to the first in the queue lapses then. */
  tellAt(address: AccountAddress, at: number, on: Database): Promise<void>
  /** Somebody has seen the credential: it is changed. */
  rotateRevealed(checkOut: CheckOut, on: Database): Promise<void>
  /** It is changed where a policy of the account says so, or where that had to wait for this. */
  afterCheckIn(checkOut: CheckOut, on: Database): Promise<void>
}
