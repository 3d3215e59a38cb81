import t, { type Test } from 'tap'
import { openDatabase } from '../../../src/database/database.ts'
import { approversHandler, tellOfRequests } from '../../../src/gateway/tell-requests.ts'
import type { Notification } from '../../../src/notifications/notification.ts'
import { createNotify } from '../../../src/notifications/notifications.ts'
import { prefer } from '../../../src/notifications/preferences.ts'
import { role } from '../../support/policy-facts.ts'
import { createRequestWorld, OFFER } from '../../support/request-parts.ts'

async function prepare(t: Test) {
  const database = await openDatabase('sqlite::memory:')
  t.teardown(() => database.destroy())
  const world = await createRequestWorld(database)
  const told: Notification[] = []
  const notify = async (notification: Notification) => void told.push(notification)
  const channels = [{ name: 'hook', events: [], people: true, own: false, needsAddress: false }] as never
  const parts = { ...world, notify, storeClock: world.clock, database, channels }
  tellOfRequests(parts, new AsyncDisposableStack())
  const handler = approversHandler(parts)['tell-approvers']!
  return {
    ...world,
    prefer: (user: string) => prefer(database, { user, kind: 'request.*', channel: '*', wanted: false }),
    /** What was told since this was asked last, once the approvers were found. */
    async told() {
      for (const job of await world.schedule.list({ kind: 'tell-approvers' })) {
        await handler.run(job, new AbortController().signal)
        await world.schedule.cancel(job.kind, job.key)
      }
      return told.splice(0).map(({ kind, subject, to, lines, link }) => ({ kind, subject, to, lines, link }))
    },
  }
}

t.test('those who may decide are told of a request, and nobody else', async t => {
  const { ask, told, user, offers } = await prepare(t)
  await user('lou', ['leads'], { disabled: true })
  await user('mia', [], { workingHours: { days: ['mon'], from: '07:00', to: '07:01', zone: 'UTC' } })
  await user('alice', ['ops', 'leads'], { manager: 'mia' })
  await offers({ ...OFFER, approvers: ['role:leads', 'manager'] })
  const { id } = await ask('alice', { reason: 'INC-4711' })
  const [one, ...more] = await told()
  t.strictSame(more, [], 'the requester knows')
  t.match(one, {
    kind: 'request.asked',
    subject: /^alice asks for root@web-01 for /,
    link: { path: `/v1/requests/${id}`, command: `sallyport request show ${id}` },
  })
  t.same(
    one!.to.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
    [{ user: 'lee' }, { user: 'mia' }],
  )
  t.ok(one!.lines!.includes('It opens: root@web-01'))
})

t.test('who asked is told where nobody who may decide is reached', async t => {
  const { ask, told, user, prefer } = await prepare(t)
  await user('lou', ['leads'], { disabled: true })
  await ask('alice')
  t.strictSame(
    (await told()).map(({ kind }) => kind),
    ['request.asked'],
  )
  await prefer('lee')
  await ask('alice')
  const [, silent] = await told()
  t.match(silent, { kind: 'request.nobody-told', to: [{ user: 'alice' }], lines: [/want none/] })
  await user('lee', [])
  await ask('bob')
  t.match(await told(), [{ kind: 'request.nobody-told', to: [{ user: 'bob' }], lines: [/There is nobody/] }])
})

t.test('who asked is told of every step', async t => {
  const { ask, told, requests, as, clock, schedule } = await prepare(t)
  const first = await ask('alice')
  await told()
  await requests.deny(as('lee'), first.id, 'not today')
  t.match(await told(), [
    {
      kind: 'request.denied',
      subject: 'Your request for root@web-01 was denied',
      lines: ['By: lee', 'Why: not today'],
      to: [{ user: 'alice' }],
    },
  ])
  const second = await ask('bob')
  await told()
  await requests.approve(as('lee'), second.id, {})
  const kinds = async () => (await told()).map(({ kind, to }) => [kind, to[0]])
  t.same((await kinds())[0], ['request.approved', { user: 'bob' }])
  const [end] = (await schedule.list({ key: second.id })).toReversed()
  clock.move(end!.dueAt - clock.now())
  await requests.due(second.id)
  clock.move(24 * 3_600_000)
  await requests.due(second.id)
  t.same((await kinds()).at(-1), ['request.ended', { user: 'bob' }])
})

t.test('a request that was decided meanwhile is told to no approver', async t => {
  const { ask, told, requests } = await prepare(t)
  const { id } = await ask('alice')
  await requests.cancel({ user: 'alice' }, id)
  t.strictSame(await told(), [])
})

t.test('who was asked is told when somebody else decided, or it was withdrawn, and who decided is not', async t => {
  const database = await openDatabase('sqlite::memory:')
  t.teardown(() => database.destroy())
  const world = await createRequestWorld(database)
  const channels = [{ name: 'mail', events: ['*'], people: true, own: false, needsAddress: false }]
  const notify = createNotify({ database, schedule: world.schedule, clock: world.clock, channels })
  const parts = { ...world, notify, storeClock: world.clock, channels: channels as never, database }
  tellOfRequests(parts, new AsyncDisposableStack())
  const handlers = approversHandler(parts)
  async function told(): Promise<[string, string | null][]> {
    for (const job of await world.schedule.list()) {
      await handlers[job.kind]?.run(job, new AbortController().signal)
      if (job.kind in handlers) await world.schedule.cancel(job.kind, job.key)
    }
    const rows = await database
      .selectFrom('notification_deliveries')
      .innerJoin('notifications', 'notifications.id', 'notification_deliveries.notification')
      .select(['subject', 'user'])
      .where('kind', '=', 'request.decided')
      .orderBy('user')
      .execute()
    await database.deleteFrom('notifications').where('kind', '=', 'request.decided').execute()
    await database.deleteFrom('notification_deliveries').execute()
    return rows.map(({ subject, user }) => [subject, user])
  }
  const first = await world.ask('alice')
  // Only those who were told of it.
  for (const job of await world.schedule.list({ kind: 'tell-approvers' }))
    await handlers[job.kind]!.run(job, new AbortController().signal)
  await world.user('mia', ['leads'])
  await world.requests.approve(world.as('lee'), first.id, {})
  t.strictSame(await told(), [['The request of alice for root@web-01 was approved', 'lou']])
  const second = await world.ask('bob')
  for (const job of await world.schedule.list({ kind: 'tell-approvers' }))
    await handlers[job.kind]!.run(job, new AbortController().signal)
  await world.requests.cancel({ user: 'bob' }, second.id)
  const withdrawn = 'The request of bob for root@web-01 was withdrawn'
  t.strictSame(await told(), [
    [withdrawn, 'lee'],
    [withdrawn, 'lou'],
    [withdrawn, 'mia'],
  ])
  // Decided before anybody was told.
  const third = await world.ask('carol')
  await world.requests.deny(world.as('lee'), third.id, 'no')
  t.strictSame(await told(), [])
})

t.test('those of a further step that a review rule asks for are told when it is their turn', async t => {
  const { ask, told, rule, user, requests, as, roles } = await prepare(t)
  await roles.put(role({ name: 'security', targets: {}, accounts: {} }))
  await user('sam', ['security'])
  await rule({ name: 'more', outcome: 'ask', also: [{ of: ['role:security'] }] })
  const { id } = await ask('alice')
  t.match((await told()).at(-1)!.to.length, 2)
  await requests.approve(as('lee'), id, {})
  t.strictSame((await told()).at(-1)!.to, [{ user: 'sam' }])
})

t.test('what is told of a step is stored with it', async t => {
  const database = await openDatabase('sqlite::memory:')
  t.teardown(() => database.destroy())
  const world = await createRequestWorld(database)
  const channels = [{ name: 'mail', events: ['*'], people: true, own: false }]
  const notify = createNotify({ database, schedule: world.schedule, clock: world.clock, channels })
  const parts = { ...world, notify, storeClock: world.clock, channels: channels as never }
  tellOfRequests(parts, new AsyncDisposableStack())
  const { id } = await world.ask('alice')
  await world.requests.deny(world.as('lee'), id, 'no')
  const told = await database.selectFrom('notifications').select(['kind', 'subject']).execute()
  t.same(told, [{ kind: 'request.denied', subject: 'Your request for root@web-01 was denied' }])
})
