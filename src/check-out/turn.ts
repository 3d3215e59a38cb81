/** Work on the check-outs of one account, and of those that are the same login: one after the other on all gateways. */

import type { Outbox, RecordEvent } from '../audit/chain/outbox.ts'
import type { Database } from '../database/database.ts'
import type { AccountAddress } from '../shared/names.ts'
import { sameLoginAs } from '../targets/same-login.ts'
import type { CheckOutRows } from './rows.ts'

/** `accounts`: it, and those that are the same login. */
type Work<T> = (on: Database, record: RecordEvent, accounts: readonly AccountAddress[]) => Promise<T>
export type Change = <T>(address: AccountAddress, work: Work<T>) => Promise<T>

export function changeInTurn(outbox: Pick<Outbox, 'change'>, rows: Pick<CheckOutRows, 'takeTurn'>): Change {
  return (address, work) =>
    outbox.change(async (on, record) => {
      const accounts = await sameLoginAs(address, on)
      await rows.takeTurn(accounts, on)
      return work(on, record, accounts)
    })
}
