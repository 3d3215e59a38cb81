/** Two gateways on one store: a login waits on one, and the decision is made on the other; a gateway that stops, or is killed, leaves nobody waiting. */

import t from 'tap'
import type { RequestedAccess } from '../../../src/access-requests/request.ts'
import { psql } from '../../support/psql.ts'
import { clientOptions, startClient } from '../../support/ssh-client.ts'
import { startTwoGateways } from '../../support/start-two-gateways.ts'

const two = await startTwoGateways({ role: {} })
const { gateway, other, account, superuser, publicKeys, identityFile } = two
const { requests } = gateway.parts
const offer = { accounts: { levels: ['basic' as const] }, approvers: ['role:leads'], freshFactor: false }
await gateway.addRole({
  ...{ name: 'asking', targets: { names: ['web-01', 'orders'] }, accounts: {}, onRequest: [offer] },
  factors: [['publickey'], ['password']],
})
await gateway.addRole({ name: 'leads', targets: {}, accounts: {} })
const alice = await gateway.addUser({ name: 'alice', roles: ['asking'], publicKeys })
await gateway.addUser({ name: 'lee', roles: ['leads'] })
const lee = { user: 'lee', roles: ['leads'], proven: new Set<never>(), sourceAddress: '127.0.0.1' }
t.afterEach(async () => {
  for (const { id, state } of await requests.rows.list({ user: 'alice', limit: 100 }))
    if (state.is === 'active') await requests.revoke(id, 'owner', 'the test is over')
})

/** By the other gateway. */
const waiting = () => {
  const { host, port } = other.ssh
  const options = ['-F', 'none', ...clientOptions({ identityFile }), '-o', 'SetEnv=SALLYPORT_REASON=why']
  const to = ['-p', String(port), '-l', `alice+${account}+web-01`, host, 'echo within']
  return startClient('ssh', [...options, ...to], { identityFile })
}
async function state(wanted: RequestedAccess['state']['is']): Promise<RequestedAccess> {
  for (;;) {
    const changed = new Promise<void>(resolve => {
      const stop = requests.onChange(() => {
        stop()
        resolve()
      })
    })
    const [request] = await requests.rows.list({ user: 'alice', limit: 1 })
    if (request?.state.is === wanted) return request
    await changed
  }
}

t.test('what is approved on one gateway lets in who waits on the other', async t => {
  const client = waiting()
  await requests.approve(lee, (await state('pending')).id, {})
  const { status, stdout, stderr } = await client.ended
  t.equal(stdout, 'within\n', stderr)
  t.equal(status, 0)
})

t.test('and in psql, where a denial is heard as well', async t => {
  const { host, port } = other.postgres!
  const server = `host=${host} port=${port} dbname=postgres sslmode=require options='-c sallyport.reason=why'`
  const sql = () => psql(`${server} user=alice+${superuser}+orders`, alice.password, ['-c', 'select 1'])
  const first = sql()
  const { id } = await state('pending')
  await requests.deny(lee, id, 'not today')
  t.match(await first, { code: 2, stderr: new RegExp(`${id} was denied by lee: not today`) })
  const second = sql()
  await requests.approve(lee, (await state('pending')).id, {})
  t.match(await second, { code: 0 })
})

t.test('a gateway that drains tells those who wait, and withdraws', async t => {
  const client = waiting()
  await client.printed(/Waiting for/)
  const { id, askedAt, state: pending } = await state('pending')
  const hour = 3_600_000
  t.match(pending, { expiresAt: askedAt + hour + 60_000 }, 'had it been killed, nobody could approve it for long')
  const ended = other.child.end('SIGTERM')
  const { status, stderr } = await client.ended
  t.equal(status, 255)
  t.match(stderr, /The gateway is stopping.*GATEWAY_STOPPING/)
  await state('cancelled')
  t.match(await requests.rows.get(id), { state: { is: 'cancelled', by: 'alice' } })
  await ended
})
