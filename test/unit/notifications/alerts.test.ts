import t from 'tap'
import { createAuditLog } from '../../../src/audit/audit-log.ts'
import type { AuditRow } from '../../../src/audit/chain/chain.ts'
import type { AuditEvent } from '../../../src/audit/event.ts'
import type { Database } from '../../../src/database/database.ts'
import { createAuditFollower } from '../../../src/notifications/alerts/follow-audit-log.ts'
import { ALERTING_KINDS, alertsOf } from '../../../src/notifications/alerts/of-event.ts'
import { createTellAlerts } from '../../../src/notifications/alerts/tell-alerts.ts'
import { isKindPattern } from '../../../src/notifications/kinds.ts'
import type { Notification } from '../../../src/notifications/notification.ts'
import { createLog } from '../../../src/shared/log.ts'
import { eachStore, stopStores } from '../../support/each-store.ts'
import { testSigner } from '../../support/test-signer.ts'

t.teardown(stopStores)

function prepare(database: Database, clock: { now(): number }) {
  const told: Notification[] = []
  const signer = testSigner()
  const audit = createAuditLog({ database, signer, gateway: 'gw_a', clock, log: createLog('silent') })
  const follower = () => {
    const notify = async (notification: Notification) => void told.push(notification)
    return createAuditFollower({ database, clock, tell: createTellAlerts({ notify, clock }) })
  }
  return { told, audit, follower }
}

const failed = (account: string): AuditEvent => ({
  kind: 'rotation.refused',
  actor: 'gateway',
  data: { account, rotation: 'rot_1', words: 'the host is full' },
})

await eachStore(t, 'each alert of the audit log is told once, whichever gateway reads it', async (t, store) => {
  const database = await store.open()
  const { told, audit, follower } = prepare(database, { now: () => Date.now() })
  const [a, b] = [follower(), follower()]
  await audit.append(failed('old@web-01'))
  await a.look()
  t.strictSame(told, [], 'what was before the first time is not news')
  await audit.append(failed('root@web-01'))
  await audit.append({ kind: 'login.accepted', actor: 'alice' })
  await audit.append({
    kind: 'worker.refused',
    actor: 'gateway',
    data: { worker: 'gw_a-1', request: 'lease', why: 'x' },
  })
  await Promise.all([a.look(), b.look()])
  t.same(
    told.map(({ kind }) => kind),
    ['alert.rotation-failed', 'alert.worker-refused'],
  )
  t.match(told[0], {
    subject: 'The target takes no new credential of root@web-01',
    lines: ['Why: the host is full', 'Rotation: rot_1'],
    link: { path: '/v1/credentials/web-01/root', command: 'sallyport credential history root@web-01' },
    to: ['administrators'],
  })
  await audit.append(failed('root@web-01'))
  await b.look()
  t.equal(told.length, 2, 'the same is not told again at once')
  // A gateway that was away.
  await follower().look()
  t.equal(told.length, 2)
})

await eachStore(
  t,
  'many of a kind come in one message, and what a wrong clock told is not kept quiet',
  async (t, store) => {
    let now = Date.now() + 10 * 86_400_000
    const database = await store.open()
    const { told, audit, follower } = prepare(database, { now: () => now })
    const one = follower()
    await one.look()
    const accounts = Array.from({ length: 40 }, (_, n) => `root@web-${n}`)
    for (const account of accounts) await audit.append(failed(account))
    await one.look()
    t.equal(told.length, 1)
    t.equal(told[0]!.subject, '40 alerts: the credential of an account could not be changed')
    t.equal(told[0]!.lines!.length, 40)
    now -= 10 * 86_400_000
    await audit.append(failed('root@web-0'))
    await one.look()
    t.equal(told.length, 2, 'the clock was set back: it is told')
    now += 3_600_000
    await audit.append(failed('root@web-0'))
    await one.look()
    t.equal(told.length, 2)
    now += 12 * 3_600_000
    await audit.append(failed('root@web-0'))
    await one.look()
    t.equal(told.length, 3)
  },
)

t.test('what somebody is told of an event is words and a known kind, whatever the event lacks', async t => {
  const event = (kind: string, data: object): AuditRow => ({
    ...{ seq: 7, at: 0, gateway: 'gw_a', kind, actor: 'alice', session: null, data: JSON.stringify(data) },
    ...{ previous: '', hash: '', signature: '' },
  })
  for (const kind of ALERTING_KINDS) {
    for (const data of [{}, { truncated: true }, { account: 7, user: null, counts: { 'row-foreign': 2 }, words: {} }]) {
      for (const alert of alertsOf(event(kind, data))) {
        t.ok(isKindPattern(alert.kind), kind)
        t.notMatch(
          `${alert.subject} ${alert.lines ?? ''} ${alert.link?.command ?? ''}`,
          /undefined|\[object|null|NaN/,
          kind,
        )
      }
    }
  }
  t.strictSame(alertsOf(event('doctor.round', { counts: { 'row-foreign': 0 } })), [], 'a round without findings')
  t.strictSame(alertsOf(event('job.given-up', { job: 'notify:mail', for: 'dlv_1' })), [], 'no alert of an alert')
  t.match(alertsOf(event('user.locked', { user: 'bob', factor: 'totp', at: '192.0.2.0', tries: 10 })), [
    { kind: 'alert.user-locked', to: ['administrators'] },
    { kind: 'login.locked', to: [{ user: 'bob' }] },
  ])
})
