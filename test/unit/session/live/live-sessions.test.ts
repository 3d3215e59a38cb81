/** After a change of access all sessions are decided anew: several at once, never all, and not those that are ending. */

import t, { type Test } from 'tap'
import { createLocalCluster } from '../../../../src/cluster/local.ts'
import type { EndsBy } from '../../../../src/policy/grant.ts'
import { createLiveSessions, type LiveSessions } from '../../../../src/session/live/live-sessions.ts'
import type { Downstream } from '../../../../src/session/protocol.ts'
import { NOT_DECIDED } from '../../../../src/session/state.ts'
import { type ErrorCode, GatewayError } from '../../../../src/shared/errors.ts'
import { createLog, type Log } from '../../../../src/shared/log.ts'
import { grantFor, standingClock } from '../../../support/identity-parts.ts'

const nobody = { notify: () => undefined } as unknown as Downstream

async function openLive(t: Test) {
  const clock = standingClock()
  const cluster = createLocalCluster({ clock, gateway: 'gw_1' })
  const live = await createLiveSessions({ cluster, clock, log: createLog('silent') })
  t.teardown(() => live.close())
  return live
}

t.test(
  'one that is slow to be decided does not keep the others open, and no more than eight are decided at once',
  async t => {
    const live = await openLive(t)
    const slow = Promise.withResolvers<undefined>()
    let [deciding, most] = [0, 0]
    const sessions = Array.from({ length: 30 }, (_, index) =>
      live.add(
        {
          grant: grantFor({ session: `ses_${index}`, endsAt: Number.MAX_SAFE_INTEGER }),
          async stillAllowed() {
            most = Math.max(most, ++deciding)
            await (index === 0 ? slow.promise : undefined)
            deciding--
            return NOT_DECIDED
          },
        },
        nobody,
      ),
    )
    const rest = sessions
      .slice(1)
      .map(({ signal }) => new Promise(resolve => signal.addEventListener('abort', resolve)))
    const changed = live.accessChanged()
    await Promise.all(rest)
    t.notOk(sessions[0]!.signal.aborted)
    t.equal(most, 8)
    slow.resolve(undefined)
    await changed
    t.ok(sessions[0]!.signal.aborted)
  },
)

t.test('a session that is ending is not decided anew', async t => {
  const live = await openLive(t)
  let asked = 0
  const session = live.add(
    {
      grant: grantFor({ session: 'ses_1', endsAt: Number.MAX_SAFE_INTEGER }),
      async stillAllowed() {
        asked++
        return NOT_DECIDED
      },
    },
    nobody,
  )
  session.abort('request-ended')
  await live.accessChanged()
  t.equal(asked, 0)
  t.equal(session.signal.reason.reason, 'request-ended')
})

t.test('what is told again is decided anew too, by all gateways, each once, and known not to be new', async t => {
  const clock = standingClock()
  const shared = createLocalCluster({ clock, gateway: 'gw_1' })
  const heard: string[] = []
  const gateways = []
  for (const gateway of ['gw_1', 'gw_2']) {
    const cluster = { ...shared, gateway }
    const live = await createLiveSessions({ ...{ cluster, clock }, log: createLog('silent') })
    t.teardown(() => live.close())
    live.onAccessChange(again => heard.push(`${gateway} ${again ? 'again' : 'new'}`))
    gateways.push({
      live,
      open: () =>
        live.add(
          { grant: grantFor({ endsAt: Number.MAX_SAFE_INTEGER }), stillAllowed: async () => NOT_DECIDED },
          nobody,
        ),
    })
  }
  const [first, second] = gateways
  const ended = (session: ReturnType<LiveSessions['add']>) =>
    new Promise(resolve => session.signal.addEventListener('abort', resolve))
  for (const tell of ['tellAgain', 'accessChanged'] as const) {
    const [here, there] = [first!.open(), second!.open()]
    const both = Promise.all([ended(here), ended(there)])
    await first!.live[tell]()
    await both
  }
  // Messages are heard in their order: this one is behind whatever else was said.
  await new Promise<void>(resolve => {
    void shared.subscribe('last', () => resolve()).then(() => shared.publish('last', Buffer.alloc(0)))
  })
  t.strictSame(heard, ['gw_1 again', 'gw_2 again', 'gw_1 new', 'gw_2 new'])
})

t.test('a session ends for one reason, whether its request is told of first or it is decided anew first', async t => {
  const clock = standingClock()
  const cluster = createLocalCluster({ clock, gateway: 'gw_1' })
  const live = await createLiveSessions({ ...{ cluster, clock }, log: createLog('silent') })
  t.teardown(() => live.close())
  const reasonsOf = async (leftMs: number, endsBy: EndsBy) => {
    const reasons: string[] = []
    for (const first of ['told', 'decided'] as const) {
      const grant = grantFor({ request: 'req_1', endsAt: clock.now() + leftMs, endsBy })
      const one = live.add({ grant, stillAllowed: async () => ({ is: 'withdrawn', reason: 'request-ended' }) }, nobody)
      await (first === 'told' ? live.requestEnded('req_1') : live.accessChanged())
      reasons.push(one.signal.reason.reason)
      live.remove(one)
    }
    return reasons
  }
  t.strictSame(await reasonsOf(3_600_000, 'request'), ['request-ended', 'request-ended'], 'revoked, or its role edited')
  t.strictSame(await reasonsOf(500, 'request'), ['deadline', 'deadline'], 'its time is over')
  t.strictSame(await reasonsOf(500, 'hours'), ['request-ended', 'request-ended'])
})

t.test('a session that has ended while it was to be decided anew is no error', async t => {
  const clock = standingClock()
  const cluster = createLocalCluster({ clock, gateway: 'gw_1' })
  const errors: unknown[] = []
  const log = { ...createLog('silent'), error: (what: unknown) => void errors.push(what) } as unknown as Log
  const live = await createLiveSessions({ cluster, clock, log })
  t.teardown(() => live.close())
  const decidedWith = async (code: ErrorCode) => {
    const stillAllowed = () => Promise.reject(new GatewayError(code, 'The session has ended.'))
    const session = live.add({ grant: grantFor({ endsAt: Number.MAX_SAFE_INTEGER }), stillAllowed }, nobody)
    await live.accessChanged()
    live.remove(session)
    t.equal(session.signal.reason.reason, 'access-revoked', 'what cannot be decided is a no')
    return errors.length
  }
  t.equal(await decidedWith('SESSION_ENDED'), 0)
  t.equal(await decidedWith('DATABASE_UNAVAILABLE'), 1)
})
