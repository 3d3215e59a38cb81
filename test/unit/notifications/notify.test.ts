import { createHmac } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openDatabase } from '../../../src/database/database.ts'
import type { Channel, Message } from '../../../src/notifications/channels/channel.ts'
import { eachStore, stopStores } from '../../support/each-store.ts'
import { startHttpReceiver } from '../../support/http-receiver.ts'
import { openTestChannels, prepareNotifications, WEBHOOK_SECRET } from '../../support/notification-parts.ts'

t.teardown(stopStores)

/** Keeps what is sent. */
function memoryChannel(facts: Partial<Channel> = {}) {
  const sent: Message[] = []
  let changed = Promise.withResolvers<void>()
  const channel: Channel = {
    ...{ kind: 'webhook', name: 'ops', events: ['*'], people: true, own: true, needsAddress: false, content: 'full' },
    combines: false,
    ...facts,
    async send(message) {
      sent.push(message)
      changed.resolve()
      changed = Promise.withResolvers()
    },
  }
  return {
    channel,
    sent,
    async until(count: number) {
      while (sent.length < count) await changed.promise
      return sent
    },
  }
}

const ALERT = { kind: 'alert.evidence', subject: 'The doctor found 2 things', to: ['administrators'] } as const

t.test('a webhook is signed as Standard Webhooks has it, and names what it is about', async t => {
  const receiver = await startHttpReceiver()
  t.teardown(() => receiver.close())
  const secretFile = join(t.testdir(), 'secret')
  const before = `whsec_${Buffer.alloc(24, 1).toString('base64')}`
  writeFileSync(secretFile, `${WEBHOOK_SECRET}\n${before}\n`)
  const channels = await openTestChannels({
    siem: { kind: 'webhook', url: receiver.url, secretFile, allowLocal: true },
  })
  const database = await openDatabase('sqlite::memory:')
  t.teardown(() => database.destroy())
  const { notify, deliverBy, deliveries } = await prepareNotifications(t, database, channels, 'https://gate.example')
  deliverBy('gw_a', { alone: true })
  const link = { path: '/v1/doctor/round', command: 'sallyport doctor' }
  await notify({ ...ALERT, lines: ['session-missing: 2'], link })
  const [one] = await receiver.until(1)
  const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature } = one!.headers
  const expected = [WEBHOOK_SECRET, before].map(secret => {
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
    return `v1,${createHmac('sha256', key).update(`${id}.${at}.${one!.body}`).digest('base64')}`
  })
  t.equal(signature, expected.join(' '), 'by the secret in force, and the one before while it is changed')
  t.match(id, /^dlv_[0-9a-z]{26}$/)
  t.match(one!.json(), {
    type: 'alert.evidence',
    data: {
      ...{ id, subject: 'The doctor found 2 things', lines: ['session-missing: 2'], to: null },
      link: { command: 'sallyport doctor', url: 'https://gate.example/v1/doctor/round' },
    },
  })
  while ((await deliveries())[0]!.delivered_at === null) await new Promise(resolve => setImmediate(resolve))
})

t.test('what was written in a transaction that did not come to pass is told to nobody', async t => {
  const database = await openDatabase('sqlite::memory:')
  t.teardown(() => database.destroy())
  const { channel, until, sent } = memoryChannel()
  const { notify, deliverBy, schedule, deliveries } = await prepareNotifications(t, database, [channel])
  const undone = database.transaction().execute(async on => {
    await notify({ ...ALERT, subject: 'never' }, on)
    throw new Error('taken back')
  })
  await t.rejects(undone, /taken back/)
  t.strictSame(await deliveries(), [])
  t.strictSame(await schedule.list(), [])
  await database.transaction().execute(on => notify(ALERT, on))
  deliverBy('gw_a', { alone: true })
  await until(1)
  t.strictSame(
    sent.map(({ subject }) => subject),
    [ALERT.subject],
  )
})

t.test('of many that are written at once, one that cannot be is no loss to the others', async t => {
  const database = await openDatabase('sqlite::memory:')
  t.teardown(() => database.destroy())
  const { channel } = memoryChannel()
  const { notify, deliveries } = await prepareNotifications(t, database, [channel])
  const bad = { ...ALERT, subject: undefined as unknown as string }
  const results = await Promise.allSettled([ALERT, bad, ALERT, ALERT].map(one => notify(one)))
  t.same(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
  )
  t.equal((await deliveries()).length, 3)
})

t.test('whoever has left, or cannot be reached, is not told any more', async t => {
  const database = await openDatabase('sqlite::memory:')
  t.teardown(() => database.destroy())
  const { channel, until, sent } = memoryChannel({ needsAddress: true })
  const { notify, deliverBy, addUser, users, deliveries } = await prepareNotifications(t, database, [channel])
  await addUser({ name: 'alice', email: 'alice@example.org' })
  await addUser({ name: 'bob', email: 'bob@example.org' })
  await addUser({ name: 'carol' })
  await addUser({ name: 'erin', email: 'erin@example.org' })
  const names = ['bob', 'carol', 'dave', 'erin', 'alice']
  await notify({ kind: 'request.asked', subject: 'x', to: names.map(user => ({ user })) })
  await addUser({ name: 'bob', email: 'bob@example.org', disabled: true })
  await users.remove('erin')
  // Somebody else, who got the name.
  await addUser({ name: 'erin', email: 'other@example.org' })
  deliverBy('gw_a', { alone: true })
  await until(1)
  const dropped = async () => (await deliveries()).filter(one => one.dropped !== null)
  while ((await dropped()).length < 4) await new Promise(resolve => setImmediate(resolve))
  t.same(
    sent.map(({ to }) => to),
    [{ user: 'alice', address: 'alice@example.org' }],
  )
  const why = new Map((await dropped()).map(one => [one.user, one.dropped]))
  t.match(why.get('bob'), /disabled/)
  t.match(why.get('carol'), /no e-mail address/)
  t.match(why.get('dave'), /no such user/)
  t.match(why.get('erin'), /removed/)
})

t.test('a channel for what others run says no names', async t => {
  const database = await openDatabase('sqlite::memory:')
  t.teardown(() => database.destroy())
  const { channel, until } = memoryChannel({ content: 'brief' })
  const { notify, deliverBy } = await prepareNotifications(t, database, [channel])
  const path = '/v1/credentials/web-01/root'
  await notify({
    ...{ kind: 'alert.account-unknown', subject: 'root@web-01 is unknown', lines: ['root@web-01'] },
    ...{ link: { path, command: 'sallyport credential status root@web-01' }, to: ['administrators'] },
  })
  deliverBy('gw_a', { alone: true })
  const [message] = await until(1)
  t.notMatch(JSON.stringify(message), /root|web-01/)
  t.equal(message!.subject, 'Sallyport: nothing in the vault logs in to an account')
})

t.test(
  'what was sent, and not noted, is sent again with the same id; one receiver that hangs holds up no other',
  async t => {
    const database = await openDatabase('sqlite::memory:')
    t.teardown(() => database.destroy())
    const { channel, until, sent } = memoryChannel()
    const hung = memoryChannel({ name: 'hung' })
    const lost: Channel = {
      ...channel,
      async send(message, signal) {
        await channel.send(message, signal)
        if (sent.length === 1) throw new Error('the answer was lost')
      },
    }
    const hanging: Channel = {
      ...hung.channel,
      send: (_message, signal) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped')))),
    }
    const { notify, deliverBy, schedule, deliveries, clock } = await prepareNotifications(t, database, [lost, hanging])
    const runner = deliverBy('gw_a', { alone: true })
    for (let n = 0; n < 6; n++) await notify({ ...ALERT, to: [{ channel: 'hung' }] })
    await notify({ ...ALERT, to: [{ channel: 'ops' }] })
    await until(1)
    const failed = async () => (await schedule.list({ kind: 'notify:ops', state: 'failed' }))[0]
    while ((await failed()) === undefined) await new Promise(resolve => setImmediate(resolve))
    const job = (await failed())!
    t.ok(job.dueAt > clock.now(), 'after a pause')
    t.equal(job.lastError, "An unexpected error: the gateway's log has it.")
    await schedule.retry(job.id)
    await runner.look()
    await until(2)
    t.equal(sent[0]!.id, sent[1]!.id)
    const mine = async () => (await deliveries()).find(one => one.channel === 'ops')!
    while ((await mine()).delivered_at === null) await new Promise(resolve => setImmediate(resolve))
  },
)

await eachStore(t, 'many that wait for one person come in one message, each in one alone', async (t, store) => {
  const MANY = 60
  const database = await store.open()
  const { channel, sent } = memoryChannel({ combines: true })
  const { notify, deliverBy, deliveries, addUser } = await prepareNotifications(t, database, [channel])
  await addUser({ name: 'alice' })
  await addUser({ name: 'bob' })
  for (let n = 0; n < MANY; n++)
    await notify({ kind: 'request.asked', subject: `request ${n}.`, to: [{ user: 'alice' }] })
  await notify({ kind: 'request.asked', subject: 'for bob', lines: ['a line'], to: [{ user: 'bob' }] })
  deliverBy('gw_a')
  deliverBy('gw_b')
  while ((await deliveries()).some(one => one.delivered_at === null))
    await new Promise(resolve => setTimeout(resolve, 10))
  const text = sent.map(({ subject, lines }) => [subject, ...lines].join('\n')).join('\n')
  for (let n = 0; n < MANY; n++) t.equal(text.split(`request ${n}.`).length, 2, `request ${n}`)
  t.ok(sent.length < MANY / 2, `${sent.length} messages`)
  t.match(
    sent.find(({ to }) => to?.user === 'bob'),
    { subject: 'for bob', lines: ['a line'] },
  )
})

await eachStore(t, 'two gateways deliver each of many notifications once', async (t, store) => {
  const MANY = 100
  const { channel, until, sent } = memoryChannel()
  const database = await store.open()
  const { notify, deliverBy, deliveries, schedule } = await prepareNotifications(t, database, [channel])
  await Promise.all(Array.from({ length: MANY }, (_, n) => notify({ ...ALERT, subject: `alert ${n}` })))
  deliverBy('gw_a')
  deliverBy('gw_b')
  await until(MANY)
  while ((await deliveries()).some(one => one.delivered_at === null))
    await new Promise(resolve => setTimeout(resolve, 10))
  t.equal(new Set(sent.map(({ id }) => id)).size, MANY)
  t.equal(sent.length, MANY)
  while ((await schedule.list()).length > 0) await new Promise(resolve => setTimeout(resolve, 10))
})
