/** The pipeline fails closed: whatever breaks or changes at whichever step, nothing runs on that should not. */

import t from 'tap'
import { createSessionAudit } from '../../../src/session/records/session-audit.ts'
import { GatewayError } from '../../../src/shared/errors.ts'
import { startScriptedGateway } from '../../support/scripted-session.ts'

const { gateway, begin } = await startScriptedGateway()
t.teardown(() => gateway.close())
const { parts } = gateway

const rowOf = (session: string) => parts.sessions.get(session)

async function openLeases(): Promise<number> {
  const rows = await parts.database.selectFrom('leases').selectAll().where('ended_at', 'is', null).execute()
  return rows.length
}

await t.test('a recorder that fails before the relay begins ends the session', async t => {
  const broken = new AbortController()
  const recordings: typeof parts.recordings = {
    ...parts.recordings,
    async open(subject) {
      const recorder = await parts.recordings.open(subject)
      return new Proxy(recorder, {
        get: (target, name) => {
          if (name === 'failure') return broken.signal
          const value = Reflect.get(target, name, target)
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
    },
  }
  const session = begin(
    { accepting: () => broken.abort(new GatewayError('RECORDING_FAILED', 'The disk is full.')) },
    { recordings },
  )
  await session.over
  t.equal(session.downstream.closed?.reason, 'recording-failed')
  t.match(await rowOf(session.id), { state: 'ended', end_reason: 'recording-failed' })
  t.equal(await openLeases(), 0)
})

await t.test('a client that is gone before the grant never reaches the target', async t => {
  let connected = false
  const session = begin({
    beforeProof() {
      // The last proof comes from a client that hangs up right after it.
      session.downstream.leave()
    },
    connecting: signal => {
      connected = !signal.aborted
    },
  })
  await session.over
  t.notOk(connected)
  t.equal(await openLeases(), 0)
})

await t.test('access that is withdrawn between the decision and the session does not let in', async t => {
  const user = (await parts.users.get('alice'))!
  const session = begin(
    {},
    {
      sessionAudit: createSessionAudit({
        async append(event) {
          if (event.kind === 'decision.granted') {
            await parts.users.put({ ...user, disabled: true })
            await parts.live.accessChanged()
          }
          return parts.audit.append(event)
        },
      }),
    },
  )
  t.teardown(() => parts.users.put(user))
  await session.over
  t.notOk(session.downstream.accepted)
  t.notOk(session.upstreamOpen())
  parts.live.end(session.id, 'killed')
  await session.over
  await parts.users.put(user)
})

await t.test('a session that is killed while its target is dialled ends as killed', async t => {
  const session = begin({
    async connecting(signal) {
      await parts.live.kill(session.id)
      t.ok(signal.aborted)
      throw new GatewayError('TARGET_UNREACHABLE', 'The target web-01 could not be reached.')
    },
  })
  await session.over
  t.match(await rowOf(session.id), { state: 'ended', end_reason: 'killed' })
  t.equal(session.downstream.denied?.code, 'SESSION_ENDED')
})

await t.test('a session without a recording is refused, and its row says why', async t => {
  const recordings = {
    ...parts.recordings,
    open: async () => {
      throw new GatewayError('RECORDING_UNAVAILABLE', 'The session cannot be recorded.')
    },
  }
  const session = begin({}, { recordings })
  await session.over
  t.notOk(session.downstream.accepted)
  t.equal(session.downstream.denied?.code, 'RECORDING_UNAVAILABLE')
  t.notOk(session.upstreamOpen())
  t.match(await rowOf(session.id), { state: 'ended', end_reason: 'recording-failed' })
  t.equal(await openLeases(), 0)
})

await t.test('the target is left before the person is told', async t => {
  let openAtClose: boolean | undefined
  const session = begin({
    relaying: async () => undefined,
    closing: () => {
      openAtClose = session.upstreamOpen()
    },
  })
  await session.over
  t.equal(openAtClose, false)
})

await t.test(
  'of sessions that are ended at one moment, each person is told before the first target is left',
  async t => {
    const happened: string[] = []
    const begun = ['one', 'other'].map(name => {
      const relaying = Promise.withResolvers<void>()
      const session = begin({
        relaying() {
          relaying.resolve()
          return new Promise(() => undefined)
        },
        // Not closed yet: they may be slow to read it.
        async closing() {
          happened.push(`${name} is told`)
          await left.promise
        },
        leaving() {
          happened.push(`the target of ${name} is left`)
          if (happened.length === 4) left.resolve()
        },
      })
      return { session, relaying: relaying.promise }
    })
    const left = Promise.withResolvers<void>()
    await Promise.all(begun.map(({ relaying }) => relaying))
    for (const { session } of begun) parts.live.end(session.id, 'request-ended')
    await Promise.all(begun.map(({ session }) => session.over))
    t.same(happened.slice(0, 2).sort(), ['one is told', 'other is told'])
    t.same(happened.slice(2).sort(), ['the target of one is left', 'the target of other is left'])
  },
)

await t.test('a login that ends while the gateway drains is refused', async t => {
  let stopping = false
  const session = begin(
    {
      beforeProof() {
        stopping = true
      },
    },
    { stopping: () => stopping },
  )
  await session.over
  t.notOk(session.downstream.accepted)
  t.equal(session.downstream.denied?.code, 'GATEWAY_STOPPING')
})

await t.test('a session that ends while the store is away is written down when it is back', async t => {
  let away = true
  const fail = async () => {
    throw new GatewayError('DATABASE_UNAVAILABLE', 'The database cannot be used at the moment.')
  }
  const changes: typeof parts.changes = {
    ...parts.changes,
    end: (...args) => (away ? fail() : parts.changes.end(...args)),
  }
  const session = begin({ relaying: async () => undefined }, { changes })
  await session.over
  t.equal(session.downstream.closed?.reason, 'client-closed')
  t.match(await rowOf(session.id), { state: 'active' })
  t.equal(await openLeases(), 1)
  away = false
  await parts.reaper.round()
  t.match(await rowOf(session.id), { state: 'ended', end_reason: 'client-closed', recording_hash: /^[0-9a-f]{64}$/ })
  t.equal(await openLeases(), 0)
  const events = await parts.audit.list({ session: session.id })
  t.same(
    events.slice(-2).map(event => event.kind),
    ['lease.ended', 'session.ended'],
  )
})

await t.test('a client that never closes does not keep its session: a kill still ends it', async t => {
  const closing = Promise.withResolvers<void>()
  const session = begin({
    relaying: async () => undefined,
    closing() {
      closing.resolve()
      return new Promise(() => undefined)
    },
  })
  await closing.promise
  await parts.live.kill(session.id)
  await session.over
  t.notOk(parts.live.has(session.id))
  t.match(await rowOf(session.id), { state: 'ended' })
  t.equal(await openLeases(), 0)
})

await t.test('a target that is not the one that was pinned has an audit event of its own kind', async t => {
  const session = begin({
    connecting() {
      throw new GatewayError('TARGET_IDENTITY_MISMATCH', 'Another key.', { cause: new Error('it showed SHA256:x') })
    },
  })
  await session.over
  t.equal(session.downstream.denied?.code, 'TARGET_IDENTITY_MISMATCH')
  const events = await parts.audit.list({ session: session.id, kind: 'target.identity-mismatch' })
  t.match(JSON.parse(events[0]!.data), { account: 'root@web-01', why: 'it showed SHA256:x' })
  t.match(await rowOf(session.id), { state: 'ended', end_reason: 'connect-failed' })
})
