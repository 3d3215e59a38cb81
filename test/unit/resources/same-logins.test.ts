/** Whoever applies accounts that are one login of one server, and can be checked out, is told. */

import t from 'tap'
import { formatPlan } from '../../../src/resources/format-plan.ts'
import { sameLogins } from '../../../src/resources/same-logins.ts'
import { targetSchema } from '../../../src/targets/target.ts'

const orders = targetSchema.parse({
  ...{ name: 'orders', protocol: 'postgres', host: 'db.example.com' },
  accounts: [{ name: 'dba', checkOut: {} }, { name: 'app', login: 'dba' }, { name: 'report' }],
})
const billing = targetSchema.parse({
  ...{ name: 'billing', protocol: 'postgres', host: 'DB.example.com' },
  accounts: [{ name: 'dba' }, { name: 'report' }],
})
const group = ['app', 'dba'].map(account => ({ account, target: 'orders' }))

t.test('of what changes, each group once, where one of it can be checked out', async t => {
  t.same(sameLogins([orders], [orders]), [group])
  const all = [group[0], { account: 'dba', target: 'billing' }, group[1]]
  t.same(sameLogins([orders, billing], [orders, billing]), [all])
  t.same(sameLogins([billing], [orders, billing]), [all], 'also where the other one is what changes')
  t.same(sameLogins([billing], [billing]), [])
  const plan = { changes: [], unchanged: 1, unmanaged: [], sameLogins: [group] }
  t.match(
    formatPlan(plan as unknown as Parameters<typeof formatPlan>[0])[0],
    /^! the same login.*: app@orders, dba@orders; /,
  )
})
