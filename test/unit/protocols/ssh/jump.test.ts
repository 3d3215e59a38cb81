/** Which target a client means by host and port, and which account by the user name inside. */

import t from 'tap'
import { innerLoginName } from '../../../../src/protocols/ssh/jump/inner-login.ts'
import { isAddressedBy, isNamedBy, isOurselves, namesOf } from '../../../../src/protocols/ssh/jump/target-address.ts'
import type { SshTarget } from '../../../../src/protocols/ssh/target.ts'
import { isRefusal } from '../../../../src/shared/errors.ts'
import { targetSchema } from '../../../../src/targets/target.ts'

const target = targetSchema.parse({
  name: 'Web-01',
  protocol: 'ssh',
  host: '2001:db8::5',
  port: 2200,
  accounts: [{ name: 'root' }],
}) as SshTarget
const database = targetSchema.parse({ name: 'orders', protocol: 'postgres', host: 'orders.internal', port: 22 })

t.test('a name stands for the port of the entry, and for 22; an address for its port alone', async t => {
  for (const [host, port, named, addressed] of [
    ['Web-01', 22, true, false],
    ['web-01', 2200, true, false],
    ['web-01', 23, false, false],
    ['web-01.', 22, false, false],
    ['2001:db8::5', 2200, false, true],
    ['2001:DB8:0:0::5', 2200, false, true],
    ['2001:db8::5', 22, false, false],
    ['', 22, false, false],
  ] as const) {
    t.equal(isNamedBy(target, host, port), named, `${host}:${port}`)
    t.equal(isAddressedBy(target, host, port), addressed, `${host}:${port}`)
  }
  t.notOk(isNamedBy(database, 'orders', 22), 'a database is not reached by SSH')
  t.notOk(isAddressedBy(database, 'orders.internal', 22))
})

t.test('the gateway itself, in all its spellings', async t => {
  for (const host of [
    'localhost',
    'LOCALHOST.',
    'a.localhost',
    '127.0.0.1',
    '127.9.9.9',
    '::1',
    '0:0::1',
    '0.0.0.0',
    '::',
  ]) {
    t.ok(isOurselves(host), host)
  }
  for (const host of ['::ffff:127.0.0.1', '::ffff:7f00:1']) t.ok(isOurselves(host), host)
  for (const host of ['web-01', '10.0.0.1', '128.0.0.1', 'localhost.example', '2001:db8::1', 'notlocalhost']) {
    t.notOk(isOurselves(host), host)
  }
})

t.test('what a certificate names: what the client asked for and what the entry says, never a loopback', async t => {
  t.same(namesOf(target, 'web-01'), ['Web-01', 'web-01', '2001:db8::5'])
  t.same(namesOf({ ...target, name: 'web-02', host: '127.0.0.1' }, 'web-02'), ['web-02'])
})

t.test('the user name inside', async t => {
  const meaning = (sent: string, ownAccount = false) => innerLoginName('alice', { name: target.name, ownAccount }, sent)
  t.equal(meaning('root'), 'alice+root+Web-01')
  t.equal(meaning('alice'), 'alice+Web-01', 'her own name: the account by default')
  t.equal(meaning('alice', true), 'alice+alice+Web-01', 'where there is such an account for her, that one')
  t.equal(meaning('alice+root+Web-01'), 'alice+root+Web-01')
  t.equal(meaning('alice+Web-01'), 'alice+Web-01')
  for (const sent of [
    'bob+root+Web-01',
    'alice+root+web-02',
    'alice+web-02',
    '',
    'a+b+c+d',
    'root\0',
    '-x',
    'root@Web-01',
  ]) {
    const refusal = meaning(sent)
    t.ok(isRefusal(refusal) && refusal.code === 'LOGIN_NAME_INVALID', JSON.stringify(sent))
  }
})
