/** The broker of a worker that says what it likes: nothing stays lent without its end, and a login has as many tries as it may have. */

import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import type { Proof } from '../../../src/identity/proof.ts'
import { createBroker } from '../../../src/session/broker/create-broker.ts'
import type { LoginClient } from '../../../src/session/protocol.ts'
import type { SessionChanges } from '../../../src/session/records/session-changes.ts'
import { isRefusal } from '../../../src/shared/errors.ts'
import { newId } from '../../../src/shared/ids.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { startTestGateway } from '../../support/start-gateway.ts'

const gateway = await startTestGateway()
t.teardown(() => gateway.close())
const { parts } = gateway
for (const [name, via] of [
  ['hop-01', undefined],
  ['web-01', 'root@hop-01'],
] as const) {
  await gateway.addTarget(
    { name, protocol: 'ssh', host: '127.0.0.1', accounts: [{ name: 'root' }], ...(via && { via }) },
    { root: { kind: 'password', password: new Secret(`the password of ${name}`) } },
  )
}
await gateway.addRole({
  name: 'ops',
  targets: { names: ['web-01'] },
  accounts: { names: ['root'] },
  factors: [['password']],
})
const alice = await gateway.addUser({ name: 'alice', roles: ['ops'] })
const HOP = { account: { name: 'root' }, target: { name: 'hop-01' } }

/** Shows the same password again and again. */
function client(password: string): LoginClient & { shown: number } {
  return {
    protocol: 'ssh',
    source: { address: '192.0.2.7', port: 50_000 },
    login: 'alice+root+web-01',
    database: undefined,
    loginOver: new AbortController().signal,
    answered: true,
    shown: 0,
    async nextProof(): Promise<Proof> {
      this.shown++
      return { kind: 'password', password: new Secret(password) }
    },
    askFor() {},
    brought: async () => ({ attended: false }),
    ask: async () => undefined,
    tell() {},
  }
}

/** A granted session. */
async function granted(changes: SessionChanges = parts.changes) {
  const broker = createBroker({ ...parts, changes })
  const session = newId('ses', Date.now())
  const grant = await broker.admit(session, client(alice.password))
  if (isRefusal(grant)) throw new Error(grant.detail)
  return { broker, session }
}

const events = async (session: string) => (await parts.audit.list({ session })).map(({ kind }) => kind).slice(2)

async function openLeases(session: string): Promise<number> {
  const leases = parts.database.selectFrom('leases').selectAll()
  return (await leases.where('session', '=', session).where('ended_at', 'is', null).execute()).length
}

async function ended(session: string): Promise<void> {
  // The row first, and the chain of events a moment later.
  while (!(await events(session)).includes('session.ended')) await pause(5)
  t.equal((await parts.sessions.get(session))?.state, 'ended')
}

t.test('a session that is given back without its end is ended, in its row and in the audit log', async t => {
  const { broker, session } = await granted()
  await broker.lease({ session }, {})
  await broker.lendForHop({ session }, HOP)
  broker.forget(session)
  await ended(session)
  t.match(await parts.sessions.get(session), { state: 'ended', end_reason: 'interrupted' })
  t.equal(await openLeases(session), 0)
  t.same(await events(session), ['lease.started', 'lease.started', 'lease.ended', 'lease.ended', 'session.ended'])
})

for (const how of ['end', 'forget'] as const) {
  t.test(`what is being lent while a session's ${how} comes is not handed over, and ends`, async t => {
    const inTheMidst = Promise.withResolvers<void>()
    const goOn = Promise.withResolvers<void>()
    const slowly =
      <A extends unknown[]>(write: (...values: A) => Promise<void>) =>
      async (...values: A) => {
        inTheMidst.resolve()
        await goOn.promise
        await write(...values)
      }
    const { begin, lendForHop } = parts.changes
    const first = await granted({ ...parts.changes, begin: slowly(begin) })
    const lease = first.broker.lease({ session: first.session }, {})
    await inTheMidst.promise
    const over = finish(first)
    goOn.resolve()
    await t.rejects(lease, { code: 'SESSION_ENDED' })
    await over
    await ended(first.session)
    t.equal(await openLeases(first.session), 0)
    t.same(await events(first.session), ['lease.started', 'lease.ended', 'session.ended'])

    const second = await granted({ ...parts.changes, lendForHop: slowly(lendForHop) })
    await second.broker.lease({ session: second.session }, {})
    const hop = second.broker.lendForHop({ session: second.session }, HOP)
    const ending = finish(second)
    await t.rejects(hop, { code: 'SESSION_ENDED' }, 'nor a hop on its way')
    await ending
    await ended(second.session)
    t.equal(await openLeases(second.session), 0)

    async function finish({ broker, session }: Awaited<ReturnType<typeof granted>>): Promise<void> {
      if (how === 'forget') broker.forget(session)
      else await broker.end({ session }, { reason: 'client-closed' })
    }
  })
}

t.test('nothing comes of what is given back while it is being decided, nor is its place taken meanwhile', async t => {
  const broker = createBroker(parts)
  const session = newId('ses', Date.now())
  const admitted = broker.admit(session, client(alice.password))
  await t.rejects(broker.admit(session, client(alice.password)), { code: 'CONFLICT' })
  broker.forget(session)
  await t.rejects(admitted, { code: 'SESSION_ENDED' })
  t.equal(broker.stateOf(session), undefined)
})

t.test(
  'a login has as many tries as a real one, whatever goes on showing proofs, and they count for the lockout',
  async t => {
    const guessing = client('a guess')
    const broker = createBroker(parts)
    const session = newId('ses', Date.now())
    t.match(await broker.admit(session, guessing), { refused: true, code: 'TOO_MANY_TRIES' })
    t.equal(guessing.shown, 7, 'six are looked at, and the next one ends it')
    const failures = await parts.lockout.failuresOf('alice')
    t.equal(
      failures.reduce((sum, { tries }) => sum + tries, 0),
      6,
    )
    const [refused] = await parts.audit.list({ session })
    t.match(refused, { kind: 'login.refused' })
    t.match(refused!.data, /"code":"TOO_MANY_TRIES"/)

    await gateway.addRole({ name: 'more', targets: { names: ['web-01'] }, accounts: { names: ['root'] } })
    const bob = await gateway.addUser({ name: 'bob', roles: ['more'] })
    const right = { ...client(bob.password), login: 'bob+root+web-01' }
    const again = await broker.admit(newId('ses', Date.now()), right)
    t.match(again, { refused: true, code: 'TOO_MANY_TRIES' }, 'what is proven is not a proof again')
  },
)

t.test('a worker that does not wait for the moderator whom a role demands is lent nothing', async t => {
  const role = (await parts.roles.get('ops'))!
  const demand = { of: ['role:security'], waitFor: 60_000, absent: 1000 }
  await parts.roles.put({ ...role, session: { live: 'any', reason: 'optional', moderator: demand } })
  t.teardown(() => parts.roles.put(role))
  const { broker, session } = await granted()
  const watcher = { id: 'a'.repeat(32), user: 'lee', meets: ['ops'] }
  await t.rejects(broker.lease({ session }, {}), { code: 'FORBIDDEN' })
  const waited = broker.awaitModerator({ session })
  while ((await parts.moderatedSessions.list()).length === 0) await pause(5)
  await parts.watchers.here(session, { ...watcher, meets: ['other'] })
  await parts.watchers.gone(session, watcher)
  await t.rejects(broker.lease({ session }, {}), { code: 'FORBIDDEN' }, 'nor while it waits')
  await parts.watchers.here(session, { ...watcher, id: 'b'.repeat(32) })
  t.equal(await waited, undefined)
  t.notOk(isRefusal(await broker.lease({ session }, {})))
  broker.forget(session)
  await ended(session)
})
