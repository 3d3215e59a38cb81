/** What may keep a session from an account that policy grants: that somebody else has it for a time. The gateway says who knows. */

import type { Database } from '../database/database.ts'
import type { Account, Target } from '../targets/target.ts'

export interface UsedAccount {
  readonly user: string
  readonly account: Account
  readonly target: Target
  /** Whether the user may read who has it. */
  readonly seesHolder: boolean
  /** On the way to another target, by that one's entry. */
  readonly asHop: boolean
}

export interface AccountUse {
  /**
   * Asked in the transaction in which the account's credential is lent. Gives what the session's row is to say of it. Throws
   * `ACCOUNT_CHECKED_OUT` and `CHECK_OUT_REQUIRED`, in words for the user.
   */
  lend(used: UsedAccount, on: Database): Promise<Record<string, string>>
}
