/** Whether an account may be lent to a session: not while somebody else has it alone, and where its entry says so only within a check-out. */

import type { AccountUse } from '../session/account-use.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import { formatAccountAddress, isSameAccount } from '../shared/names.ts'
import { isoMinute } from '../shared/text/iso-time.ts'
import { sameLoginAs } from '../targets/same-login.ts'
import type { CheckOutRows } from './rows.ts'
import { mayUse } from './take.ts'
import { checkOutCommand } from './words.ts'

export function createAccountUse({ rows, clock }: { rows: CheckOutRows; clock: Clock }): AccountUse {
  return {
    async lend({ user, account, target, seesHolder, asHop }, on) {
      const address = { account: account.name, target: target.name }
      // By the entries of now: what was granted may be older.
      const accounts = await sameLoginAs(address, on)
      const own = accounts.find(one => isSameAccount(one, address))
      const rule = own?.entry?.checkOut ?? account.checkOut
      if (rule === undefined && accounts.every(({ entry }) => entry?.checkOut === undefined)) return {}
      // Whoever checks it out at this instant comes before or after.
      await rows.takeTurn(accounts, on)
      const required = rule?.required === true
      const use = mayUse(await rows.openOf(accounts, on), { user, address, required, asHop }, clock.now())
      if (use.may === 'use') return Object.fromEntries(use.within === undefined ? [] : [['checkOut', use.within.id]])
      const name = formatAccountAddress(address)
      if (use.why === 'required') {
        const message = `${name} is lent only within a check-out: ${checkOutCommand(user, name, rule!)}`
        throw new GatewayError('CHECK_OUT_REQUIRED', message)
      }
      const whom = seesHolder ? ` by ${use.by.user}` : ''
      const wait = rule === undefined ? '.' : `, or wait for it: ${checkOutCommand(user, name, rule, '--wait')}`
      const message = `${name} is checked out${whom} until ${isoMinute(use.by.until)}. Try again then${wait}`
      throw new GatewayError('ACCOUNT_CHECKED_OUT', message, {
        cause: new Error(`${use.by.user} has ${formatAccountAddress(use.by)}: ${use.by.id}`),
      })
    },
  }
}
