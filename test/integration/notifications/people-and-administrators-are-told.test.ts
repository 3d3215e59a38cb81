import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { NotificationDelivery } from '../../../src/api/routes/notifications.ts'
import type { NotificationChoices } from '../../../src/api/routes/own-notifications.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { startHttpReceiver } from '../../support/http-receiver.ts'
import { startMailServer } from '../../support/mail-server.ts'
import { channelSettings, WEBHOOK_SECRET } from '../../support/notification-parts.ts'
import { asOwner } from '../../support/run-cli.ts'
import { startSshGateway } from '../../support/ssh-gateway.ts'

const folder = t.testdir()
const secretFile = join(folder, 'secret')
writeFileSync(secretFile, WEBHOOK_SECRET)
const receiver = await startHttpReceiver()
t.teardown(() => receiver.close())
const mail = await startMailServer({ disabledCommands: ['STARTTLS'] })
t.teardown(() => mail.close())
const from = 'gate@example.org'

const front = await startSshGateway(t, {
  gateway: {
    configure(config) {
      config.notifications = {
        ...config.notifications,
        url: 'https://gate.example',
        channels: channelSettings({
          siem: { kind: 'webhook', url: receiver.url, secretFile, allowLocal: true },
          mail: { kind: 'email', host: '127.0.0.1', port: mail.port, tls: 'none', from, allowLocal: true },
        }),
      }
    },
  },
})
const { gateway } = front
const { parts, notificationWatch } = gateway

interface Told {
  readonly type: string
  readonly data: { subject: string; lines: string[]; to: string | null; link: { url: string; command: string } | null }
}
interface Listed {
  readonly deliveries: readonly NotificationDelivery[]
}

let seen = 0
/** The next that arrive. */
async function told(count: number): Promise<Told[]> {
  const all = await receiver.until(seen + count)
  const next = all.slice(seen, seen + count).map(one => one.json<Told>())
  seen += count
  return next
}

t.test('what the audit log says that somebody should know reaches them by itself', async t => {
  await parts.audit.append({
    ...{ kind: 'doctor.round', actor: 'gateway' },
    data: { counts: { 'recording-missing': 2, 'row-foreign': 0 }, first: [] },
  })
  t.match(await told(1), [
    {
      type: 'alert.evidence',
      data: {
        subject: 'Sessions, recordings and audit log do not fit together: 2 findings',
        lines: ['recording-missing: 2'],
        link: { command: 'sallyport doctor', url: 'https://gate.example/v1/doctor/round' },
      },
    },
  ])
})

t.test('a rotation that should have been and was not is told, once', async t => {
  await gateway.addTarget(
    { name: 'web-02', protocol: 'ssh', host: '127.0.0.1', accounts: [{ name: 'root', level: 'admin' }] },
    { root: { kind: 'password', password: new Secret('secret of web-02') } },
  )
  const address = { kind: 'rotate', key: 'root@web-02' }
  await parts.schedule.plan({ ...address, dueAt: gateway.clock.now() - 2 * 3_600_000 })
  // Somebody holds it: nothing happens to it.
  await parts.database
    .updateTable('jobs')
    .set({ claimed_by: 'gw_x', claimed_until: gateway.clock.now() + 3_600_000 })
    .where('kind', '=', 'rotate')
    .execute()
  await notificationWatch.round()
  await notificationWatch.round()
  const [one] = await told(1)
  t.match(one, { type: 'alert.rotation-overdue', data: { subject: 'The rotation of root@web-02 is overdue' } })
  t.notMatch(JSON.stringify(receiver.received), /secret of web-02/)
})

t.test('a person is told of their own lock by mail, and administrators are too', async t => {
  await parts.users.put({ ...(await parts.users.get('alice'))!, email: 'alice@example.org' })
  const data = { user: 'alice', factor: 'totp', at: '192.0.2.0', tries: 10, lockedForMs: 1 }
  await parts.audit.append({ kind: 'user.locked', actor: 'gateway', data })
  const [letter] = await mail.until(1)
  t.same(letter!.to, ['alice@example.org'])
  t.match(letter!.text, /^Subject: Your totp is locked after too many failures\r$/m)
  t.match(await told(1), [{ type: 'alert.user-locked', data: { to: null } }])
  t.equal(mail.received.length, 1)
})

t.test('who asks sees what was told to whom, and nobody sees a secret of a channel', async t => {
  const { deliveries } = (await asOwner(gateway, ['notification', 'list', '--json'])).json<Listed>()
  t.match(deliveries[0], { state: 'delivered', words: null, tries: 1 })
  t.same(deliveries.map(({ channel, user, kind }) => [channel, user, kind]).toSorted(), [
    ['mail', 'alice', 'login.locked'],
    ['siem', null, 'alert.evidence'],
    ['siem', null, 'alert.rotation-overdue'],
    ['siem', null, 'alert.user-locked'],
  ])
  const mine = await asOwner(gateway, ['notification', 'list', '--user', 'alice', '--json'])
  t.equal(mine.json<Listed>().deliveries.length, 1)
  const channels = await asOwner(gateway, ['notification', 'channels'])
  t.match(channels.stdout, /^mail +email +yes/m)
  t.match(channels.stdout, /^siem +webhook +no +\*/m)
  t.notMatch(channels.stdout + JSON.stringify(gateway.config), new RegExp(WEBHOOK_SECRET.slice(6)))
})

t.test('a test says at once whether it arrived, and why not', async t => {
  const sent = await asOwner(gateway, ['notification', 'test', 'siem'])
  t.equal(sent.stdout, 'Delivered by siem.\n')
  t.match(await told(1), [{ type: 'notification.test' }])
  receiver.answer(response => void response.writeHead(503).end('a word that is not to be seen'))
  const refused = await asOwner(gateway, ['notification', 'test', 'siem'])
  await told(1)
  t.equal(refused.exit, 1)
  t.match(refused.stderr, /Not delivered: The receiver answered 503\./)
  t.match((await asOwner(gateway, ['notification', 'test', 'mail'])).stderr, /reaches nobody by itself: name a user/)
  t.equal((await asOwner(gateway, ['notification', 'test', 'mail', '--user', 'alice'])).exit, 0)
  t.match((await asOwner(gateway, ['notification', 'test', 'nowhere'])).stderr, /no channel nowhere/)
  const events = await parts.audit.list({ kind: 'notification.tested' })
  t.match(JSON.parse(events.at(-1)!.data), { channel: 'mail', user: 'alice' })
})

t.test('what was given up is listed, and tried again when somebody says so', async t => {
  receiver.answer(response => void response.writeHead(302, { location: 'http://169.254.169.254/latest' }).end())
  const data = { job: 'some-job', for: 'x', attempts: 1, why: 'it cannot be' }
  await parts.audit.append({ kind: 'job.given-up', actor: 'gateway', data })
  await told(1)
  const listed = async () =>
    (await asOwner(gateway, ['notification', 'list', '--failed', '--json'])).json<Listed>().deliveries
  while ((await listed()).length === 0) await new Promise(resolve => setTimeout(resolve, 20))
  const [dead] = await listed()
  t.match(dead, { kind: 'alert.job', state: 'given-up', words: /redirects \(302\), which is not followed/ })
  // No alert of an alert.
  await notificationWatch.look()
  receiver.answer(response => void response.writeHead(204).end())
  const again = await asOwner(gateway, ['notification', 'retry'])
  t.equal(again.stdout, '1 is tried again now.\n')
  const [one] = await told(1)
  t.match(one, { type: 'alert.job', data: { id: dead!.id } })
  const once = await asOwner(gateway, ['notification', 'retry', dead!.id])
  t.equal(once.exit, 1)
  const [event] = await parts.audit.list({ kind: 'notification.retried' })
  t.match(JSON.parse(event!.data), { delivery: dead!.id, channel: 'siem', about: 'alert.job' })
  const metric = await parts.metrics.registry.getSingleMetricAsString('sallyport_notifications_total')
  t.match(metric, /channel="siem",result="failed"} 1/)
})

t.test('a person chooses by ssh what they are told of, for themselves alone', async t => {
  const { host, port } = gateway.ssh!
  const ask = (...command: string[]) =>
    front.run('ssh', ...front.options, '-p', String(port), '-l', 'alice', host, 'notifications', ...command).ended
  const choices = async (...command: string[]) =>
    JSON.parse((await ask(...command, '--json')).stdout) as NotificationChoices
  const byMail = ({ kinds }: NotificationChoices) => kinds.filter(({ by }) => by.includes('mail')).map(one => one.kind)
  const before = await choices()
  t.same(before.channels, ['mail'])
  t.equal(byMail(before).length, before.kinds.length)
  const login = ['login.locked', 'login.token-created', 'login.factor-changed', 'login.notifications-off']
  const others = ['proposal.made', 'proposal.decided', 'session.moderator-wanted']
  t.same(byMail(await choices('off', 'request.*')).sort(), [...login, ...others].sort())
  t.ok(byMail(await choices('on', 'request.asked', 'mail')).includes('request.asked'))
  const letters = mail.received.length
  await ask('off', 'login.locked')
  t.match(
    (await mail.until(letters + 1)).at(-1)!.text,
    /^Subject: You chose not to be told of login\.locked any more\r$/m,
  )
  t.match((await ask()).stdout, /^login\.locked +off/m)
  const sent = mail.received.length
  await parts.notify({ kind: 'request.ended', subject: 'not wanted', to: [{ user: 'alice' }] })
  await parts.notify({ kind: 'request.asked', subject: 'wanted', to: [{ user: 'alice' }] })
  t.match((await mail.until(sent + 1)).at(-1)!.text, /^Subject: wanted\r$/m)
  for (const [command, words] of [
    [['off', 'nothing.here'], /no such kind.*request\.\*/],
    [['off', 'all', 'siem'], /no such channel\. There are: mail/],
    [['perhaps'], /comes on or off/],
    [['on'], /needs a kind/],
  ] as const) {
    const wrong = await ask(...command)
    t.equal(wrong.status, 2)
    t.match(wrong.stderr, words)
  }
  const [event] = await parts.audit.list({ kind: 'notification.preference-changed', limit: 1 })
  t.match(event, { actor: 'alice', data: '{"kind":"login.locked","channel":"*","wanted":false}' })
  const owner = await asOwner(gateway, ['notification', 'mine'])
  t.match(owner.stderr, /owner of the gateway is no user/)
})
