/** Which accounts are the same login at the same server. */

import t from 'tap'
import { formatAccountAddress, parseAccountAddress } from '../../../src/shared/names.ts'
import { groupOf, sameLoginAs } from '../../../src/targets/same-login.ts'
import { type TargetInput, targetSchema } from '../../../src/targets/target.ts'
import { createTargets } from '../../../src/targets/targets.ts'
import { eachStore, stopStores } from '../../support/each-store.ts'
import { standingClock } from '../../support/identity-parts.ts'

t.teardown(stopStores)

const target = (name: string, host: string, accounts: TargetInput['accounts'], more: object = {}) =>
  targetSchema.parse({ name, protocol: 'ssh', host, accounts, ...more })

const TARGETS = [
  target('web-01', 'Web-01.example.com', [
    { name: 'root' },
    { name: 'admin', login: 'root' },
    { name: 'app', logins: ['app-a', 'app-b'] },
    { name: 'app-a' },
    { name: 'b', login: 'app-b' },
    { name: 'Root' },
  ]),
  target('www', 'web-01.EXAMPLE.com', [{ name: 'root' }, { name: 'other' }]),
  target('other-port', 'web-01.example.com', [{ name: 'root' }], { port: 2222 }),
  target('other-way', 'web-01.example.com', [{ name: 'root' }], { via: 'svc@bastion' }),
  target('same-way', 'web-01.example.com', [{ name: 'root' }], { via: 'bastion' }),
  target('other-host', 'web-02.example.com', [{ name: 'root' }]),
  target('six', '2001:db8::1', [{ name: 'root' }]),
  target('six-too', '2001:DB8::1', [{ name: 'root' }]),
  target('six-long', '2001:db8:0:0:0:0:0:1', [{ name: 'root' }]),
  target('four', '10.0.0.1', [{ name: 'root' }]),
  target('four-short', '10.1', [{ name: 'root' }]),
  target('four-hex', '0x0a.0.0.1', [{ name: 'root' }]),
  target('four-in-six', '::ffff:10.0.0.1', [{ name: 'root' }]),
  target('absolute', 'db-01.example.com.', [{ name: 'root' }]),
  target('relative', 'DB-01.example.com', [{ name: 'root' }]),
  target('unicode', 'BÜCHER.example', [{ name: 'root' }]),
  target('punycode', 'xn--bcher-kva.example', [{ name: 'root' }]),
  { ...target('db', 'web-01.example.com', [{ name: 'root' }]), protocol: 'postgres', port: 22 } as never,
]
const GROUPS = {
  'root@web-01': ['admin@web-01', 'root@web-01', 'root@www'],
  'root@www': ['admin@web-01', 'root@web-01', 'root@www'],
  'app-a@web-01': ['app-a@web-01', 'app@web-01', 'b@web-01'],
  'Root@web-01': ['Root@web-01'],
  'other@www': ['other@www'],
  'root@other-port': ['root@other-port'],
  'root@same-way': ['root@other-way', 'root@same-way'],
  'root@other-host': ['root@other-host'],
  'root@six': ['root@six', 'root@six-long', 'root@six-too'],
  'root@six-long': ['root@six', 'root@six-long', 'root@six-too'],
  'root@four': ['root@four', 'root@four-hex', 'root@four-in-six', 'root@four-short'],
  'root@four-short': ['root@four', 'root@four-hex', 'root@four-in-six', 'root@four-short'],
  'root@absolute': ['root@absolute', 'root@relative'],
  'root@relative': ['root@absolute', 'root@relative'],
  'root@unicode': ['root@punycode', 'root@unicode'],
  'root@punycode': ['root@punycode', 'root@unicode'],
  'root@db': ['root@db'],
}

t.test('the same login at the same address and by the same way, whatever it is called', async t => {
  for (const [name, group] of Object.entries(GROUPS))
    t.same(groupOf(parseAccountAddress(name)!, TARGETS).map(formatAccountAddress), group, name)
  t.same(groupOf({ account: 'nobody', target: 'web-01' }, TARGETS), [])
})

eachStore(t, 'the store finds them', async (t, store) => {
  const database = await store.open()
  const targets = createTargets({ database, clock: standingClock() })
  await targets.putAll(TARGETS.slice(0, -1))
  for (const [name, group] of Object.entries(GROUPS).slice(0, -1))
    t.same((await sameLoginAs(parseAccountAddress(name)!, database)).map(formatAccountAddress), group, name)
  const nobody = { account: 'nobody', target: 'nowhere' }
  t.same(await sameLoginAs(nobody, database), [{ ...nobody, entry: undefined }])
})
