/** Two gateways on one store: where a role allows one live session at a time, that holds on both, in both protocols, and when one of them is killed. */

import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { psql } from '../../support/psql.ts'
import { startTwoGateways } from '../../support/start-two-gateways.ts'

const two = await startTwoGateways({ role: { session: { live: 'one' } } })
const { gateway, other, account, superuser, publicKeys } = two
const { parts } = gateway
const alice = await gateway.addUser({ name: 'alice', roles: ['ops'], publicKeys })
await gateway.addUser({ name: 'bob', roles: ['ops'], publicKeys })
const here = gateway.ssh!

const ssh = (at: { host: string; port: number }, user: string, command: string) =>
  two.ssh(at, `${user}+${account}+web-01`, command)
const sql = ({ host, port }: { host: string; port: number }) => {
  const server = `host=${host} port=${port} dbname=postgres sslmode=require`
  return psql(`${server} user=alice+${superuser}+orders`, alice.password, ['-c', 'select 1'])
}

t.test('while one is live no other begins, on either gateway and in either protocol', async t => {
  const first = ssh(other.ssh, 'alice', 'echo it-began; exec cat')
  await first.printed(/it-began/)
  const [row] = await parts.sessions.list({ user: 'alice', state: 'live' })
  for (const at of [here, other.ssh]) {
    const { status, stderr } = await ssh(at, 'alice', 'true').ended
    t.equal(status, 255)
    t.match(
      stderr,
      new RegExp(
        `You have a live session, ${row!.id} \\(${account}@web-01 from 127.0.0.1 since .*SESSION_ALREADY_LIVE`,
      ),
    )
  }
  for (const at of [gateway.postgres!, other.postgres!]) {
    const { code, stderr } = await sql(at)
    t.equal(code, 2)
    t.match(
      stderr,
      /FATAL: +SESSION_ALREADY_LIVE: You have a live session, ses_.*\nHINT: +Close the other connection first/,
    )
  }
  t.equal((await ssh(here, 'bob', 'true').ended).status, 0, 'it is of one user')
  first.stdin.end()
  t.equal((await first.ended).status, 0, 'the first is not disturbed')
  const refused = await parts.database
    .selectFrom('audit_events')
    .select('data')
    .where('kind', '=', 'session.refused')
    .where('actor', '=', 'alice')
    .execute()
  t.equal(refused.filter(({ data }) => data.includes(`${row!.id} is live, and ops allows one`)).length, 4)
})

t.test('one after the other they begin, however quickly', async t => {
  for (const at of [here, other.ssh, here, other.ssh]) t.equal((await ssh(at, 'alice', 'true').ended).status, 0)
  t.equal((await sql(gateway.postgres!)).code, 0)
  t.equal((await ssh(other.ssh, 'alice', 'true').ended).status, 0)
})

t.test('of two logins at one instant one begins', async t => {
  const both = [here, other.ssh].map(at => ssh(at, 'alice', 'echo it-began; exec cat'))
  const began = await Promise.all(both.map(one => Promise.race([one.printed(/it-began/).then(() => one), one.ended])))
  t.equal(began.filter(one => 'stdin' in one).length, 1)
  for (const one of both) one.stdin.end()
  t.same((await Promise.all(both.map(({ ended }) => ended))).map(({ status }) => status).sort(), [0, 255])
})

t.test('a gateway that is killed shuts nobody out for longer than it takes to be found dead', async t => {
  const first = ssh(other.ssh, 'alice', 'echo it-began; exec sleep 600')
  await first.printed(/it-began/)
  await other.child.end('SIGKILL')
  t.match((await ssh(here, 'alice', 'true').ended).stderr, /SESSION_ALREADY_LIVE/, 'nobody knows yet that it is dead')
  while ((await parts.sessions.liveOf('alice')).length > 0) await setTimeout(100)
  t.equal((await ssh(here, 'alice', 'true').ended).status, 0)
})
