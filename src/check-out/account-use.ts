/** Whether an account may be lent to a session: not while somebody else has it alone, and where its entry says so only within a check-out. */

import type { AccountUse } from '../session/account-use.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import { formatAccountAddress } from '../shared/names.ts'
import type { CheckOutRows } from './rows.ts'
import { mayUse } from './take.ts'
import { checkOutCommand, isoMinute } from './words.ts'

export function createAccountUse({ rows, clock }: { rows: CheckOutRows; clock: Clock }): AccountUse {
  return {
    async lend({ user, account, target, seesHolder, asHop }, on) {
      const rule = account.checkOut
      if (rule === undefined) return {}
      const address = { account: account.name, target: target.name }
      // Whoever checks it out at this instant comes before or after.
      await rows.takeTurn(address, on)
      const use = mayUse(await rows.openOf(address, on), { user, rule, asHop }, clock.now())
      if (use.may === 'use') return Object.fromEntries(use.within === undefined ? [] : [['checkOut', use.within.id]])
      const name = formatAccountAddress(address)
      if (use.why === 'required') {
        const message = `${name} is lent only within a check-out: ${checkOutCommand(user, name, rule)}`
        throw new GatewayError('CHECK_OUT_REQUIRED', message)
      }
      const whom = seesHolder ? ` by ${use.by.user}` : ''
      const message = `${name} is checked out${whom} until ${isoMinute(use.by.until)}. Try again then, or wait for it: ${checkOutCommand(user, name, rule, '--wait')}`
      throw new GatewayError('ACCOUNT_CHECKED_OUT', message, {
        cause: new Error(`${use.by.user} has it: ${use.by.id}`),
      })
    },
  }
}
