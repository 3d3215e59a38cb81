/** Two gateways on one store: a check-out holds on both, also when the one that lent it is killed, and its end is heard on both. */

import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { psql } from '../../support/psql.ts'
import { startTwoGateways } from '../../support/start-two-gateways.ts'

const { gateway, other, account, superuser, publicKeys, ssh } = await startTwoGateways({
  role: { checkOut: { maxTime: '8h' } },
  entry: { checkOut: {} },
})
const { parts } = gateway
await gateway.addUser({ name: 'alice', roles: ['ops'], publicKeys })
const bob = await gateway.addUser({ name: 'bob', roles: ['ops'], publicKeys })

const onTarget = (at: { host: string; port: number }, user: string, command: string) =>
  ssh(at, `${user}+${account}+web-01`, command)
const here = gateway.ssh!

const endedAs = async (user: string) => {
  for (;;) {
    const [row] = await parts.sessions.list({ user, limit: 1 })
    if (row!.state === 'ended') return row!.end_reason
    await setTimeout(20)
  }
}

t.test('what one gateway lends, the other refuses to others, in both protocols', async t => {
  for (const name of [`${account}@web-01`, `${superuser}@orders`])
    t.equal((await ssh(other.ssh, 'alice', 'checkout', name, '--for', '4h').ended).status, 0, name)
  t.match((await onTarget(here, 'bob', 'true').ended).stderr, /is checked out until .*ACCOUNT_CHECKED_OUT/s)
  t.equal((await onTarget(here, 'alice', 'true').ended).status, 0)
  for (const { host, port } of [gateway.postgres!, other.postgres!]) {
    const user = `bob+${superuser}+orders`
    const refused = await psql(
      `host=${host} port=${port} user=${user} dbname=postgres sslmode=require`,
      bob.password,
      [],
    )
    t.equal(refused.code, 2)
    t.match(refused.stderr, new RegExp(`ACCOUNT_CHECKED_OUT: ${superuser}@orders is checked out until 20.* UTC`))
    t.notMatch(refused.stderr, /alice/)
  }
})

t.test('its end on one gateway ends the sessions on the other', async t => {
  const session = onTarget(other.ssh, 'alice', 'echo it-began; exec sleep 600')
  await session.printed(/it-began/)
  t.equal((await ssh(here, 'alice', 'checkin', `${account}@web-01`).ended).status, 0)
  t.match((await session.ended).stderr, /the check-out of the account has ended/)
  t.equal(await endedAs('alice'), 'check-out-ended')
  t.equal((await onTarget(here, 'bob', 'true').ended).status, 0)
})

t.test('access that was approved ends on all gateways when it is revoked on one', async t => {
  await gateway.addRole({
    ...{ name: 'elevated', targets: { names: ['web-01'] }, accounts: {}, factors: [['publickey']] },
    onRequest: [{ accounts: { names: [account] }, approvers: ['user:bob'], freshFactor: false }],
  })
  await gateway.addUser({ name: 'dan', roles: ['elevated'], publicKeys })
  const made = await ssh(other.ssh, 'dan', 'request', `${account}@web-01`, '--reason', 'x', '--json').ended
  t.equal(made.status, 0, made.stderr)
  const { id } = JSON.parse(made.stdout).request
  // bob and dan log in with one key here: that makes them one person.
  t.match((await ssh(here, 'bob', 'approve', id).ended).stderr, /another user of yours/)
  await parts.users.put({ ...(await parts.users.get('bob'))!, publicKeys: [] })
  const as = { user: 'bob', roles: ['ops'], proven: new Set(['publickey'] as const), sourceAddress: '127.0.0.1' }
  await parts.requests.approve(as, id, {})
  const sessions = [here, other.ssh].map(at => onTarget(at, 'dan', 'echo it-began; exec sleep 600'))
  for (const session of sessions) await session.printed(/it-began/)
  await parts.requests.revokeAsApprover(as, id, 'done')
  for (const session of sessions)
    t.match((await session.ended).stderr, /the access that was approved for a time is over/)
  await parts.users.put({ ...(await parts.users.get('bob'))!, publicKeys })
})

t.test(
  'the one that lent it is killed: the account is hers all the same, and her sessions elsewhere go on',
  async t => {
    t.equal((await ssh(other.ssh, 'alice', 'checkout', `${account}@web-01`).ended).status, 0)
    const session = onTarget(here, 'alice', 'echo it-began; exec sleep 600')
    await session.printed(/it-began/)
    await other.child.end('SIGKILL')
    t.match((await onTarget(here, 'bob', 'true').ended).stderr, /is checked out until/)
    t.match((await ssh(here, 'bob', 'checkout', `${account}@web-01`).ended).stderr, /is checked out until/)
    t.equal((await ssh(here, 'alice', 'checkin', `${account}@web-01`).ended).status, 0)
    t.match((await session.ended).stderr, /the check-out of the account has ended/)
    t.equal((await ssh(here, 'bob', 'checkout', `${account}@web-01`).ended).status, 0)
    t.equal((await ssh(here, 'bob', 'checkin', `${account}@web-01`).ended).status, 0)
  },
)

t.test('nobody has what is over in time, whether or not a gateway has noticed that', async t => {
  const [open] = await parts.checkOuts.list({ user: 'alice', state: 'open', limit: 1 })
  await parts.database
    .updateTable('check_outs')
    .set({ until: open!.startedAt + 1 })
    .where('id', '=', open!.id)
    .execute()
  t.equal((await ssh(here, 'bob', 'checkout', `${superuser}@orders`).ended).status, 0, 'nobody has it any longer')
  t.match(await parts.checkOuts.get(open!.id), { state: { is: 'ended', reason: 'time-over', at: open!.startedAt + 1 } })
})
