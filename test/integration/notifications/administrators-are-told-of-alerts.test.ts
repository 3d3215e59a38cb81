import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Secret } from '../../../src/shared/secret.ts'
import { startHttpReceiver } from '../../support/http-receiver.ts'
import { startMailServer } from '../../support/mail-server.ts'
import { channelSettings, WEBHOOK_SECRET } from '../../support/notification-parts.ts'
import { startTestGateway } from '../../support/start-gateway.ts'

const folder = t.testdir()
const secretFile = join(folder, 'secret')
writeFileSync(secretFile, WEBHOOK_SECRET)
const receiver = await startHttpReceiver()
t.teardown(() => receiver.close())
const mail = await startMailServer({ disabledCommands: ['STARTTLS'] })
t.teardown(() => mail.close())
const from = 'gate@example.org'

const gateway = await startTestGateway({
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
})
t.teardown(() => gateway.close())
const { parts, notificationWatch } = gateway

interface Told {
  readonly type: string
  readonly data: { subject: string; lines: string[]; to: string | null; link: { url: string; command: string } | null }
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
    { name: 'web-01', protocol: 'ssh', host: '127.0.0.1', accounts: [{ name: 'root', level: 'admin' }] },
    { root: { kind: 'password', password: new Secret('secret of web-01') } },
  )
  const address = { kind: 'rotate', key: 'root@web-01' }
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
  t.match(one, { type: 'alert.rotation-overdue', data: { subject: 'The rotation of root@web-01 is overdue' } })
  t.notMatch(JSON.stringify(receiver.received), /secret of web-01/)
})

t.test('a person is told of their own lock by mail, and administrators are too', async t => {
  await gateway.addUser({ name: 'alice', email: 'alice@example.org' })
  const data = { user: 'alice', factor: 'totp', at: '192.0.2.0', tries: 10, lockedForMs: 1 }
  await parts.audit.append({ kind: 'user.locked', actor: 'gateway', data })
  const [letter] = await mail.until(1)
  t.same(letter!.to, ['alice@example.org'])
  t.match(letter!.text, /^Subject: Your totp is locked after too many failures\r$/m)
  t.match(await told(1), [{ type: 'alert.user-locked', data: { to: null } }])
  t.equal(mail.received.length, 1)
})
