import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SMTPServerOptions } from 'smtp-server'
import t, { type Test } from 'tap'
import type { Message } from '../../../src/notifications/channels/channel.ts'
import { JobRefused } from '../../../src/schedule/job.ts'
import { makeCertificates } from '../../support/certificates.ts'
import { startMailServer } from '../../support/mail-server.ts'
import { openTestChannels } from '../../support/notification-parts.ts'

const folder = t.testdir()
const certificates = await makeCertificates(join(folder, 'tls'))
const passwordFile = join(folder, 'password')
writeFileSync(passwordFile, 'right\n')
const tls = { key: readFileSync(certificates.keyFile), cert: readFileSync(certificates.certificateFile) }

const MESSAGE: Message = {
  ...{ id: 'dlv_00000000000000000000000001', kind: 'request.asked', at: Date.parse('2026-11-27T10:00:00Z') },
  ...{ subject: 'bob asks for root@web-01', lines: ['Reason: INC-4711'] },
  link: { command: 'sallyport request show req_1', url: 'https://gate.example/v1/requests/req_1' },
  to: { user: 'alice', address: 'alice@example.org' },
}

/** A server, and the channel that goes there. */
async function channelTo(t: Test, server: SMTPServerOptions, settings: Record<string, unknown> = {}) {
  const mail = await startMailServer({ ...tls, ...server })
  t.teardown(() => mail.close())
  const base = { kind: 'email', host: 'localhost', port: mail.port, from: 'gate@example.org', allowLocal: true }
  const [channel] = await openTestChannels({ mail: { ...base, caFile: certificates.caFile, ...settings } })
  const send = (message: Partial<Message> = {}, signal = new AbortController().signal) =>
    channel!.send({ ...MESSAGE, ...message }, signal)
  return { mail, send }
}

t.test('mail goes by TLS to the one whom it is for, with the login of the configuration', async t => {
  for (const [secure, how] of [
    [false, 'starttls'],
    [true, 'implicit'],
  ] as const) {
    const { mail, send } = await channelTo(t, { secure }, { tls: how, user: 'sallyport', passwordFile })
    await send()
    const [one] = await mail.until(1)
    t.match(one, { from: 'gate@example.org', to: ['alice@example.org'], secure: true, user: 'sallyport' })
    t.match(one!.text, /^Subject: bob asks for root@web-01\r$/m)
    t.match(one!.text, /^Message-ID: <dlv_00000000000000000000000001@example\.org>\r$/m)
    t.match(one!.text, /^Auto-Submitted: auto-generated\r$/m)
    t.match(one!.text, /^Content-Type: text\/plain; charset=utf-8\r$/m)
    t.match(one!.text, /Reason: INC-4711\r\n/)
    t.match(one!.text, /https:\/\/gate\.example\/v1\/requests\/req_1\r\n/)
  }
})

t.test('a server that offers no TLS, or no login, gets nothing where that is demanded', async t => {
  const plain = await channelTo(t, { hideSTARTTLS: true, disabledCommands: ['STARTTLS'] })
  await t.rejects(plain.send(), /offers no TLS.*nothing is sent without it|No TLS with the mail server/)
  t.strictSame(plain.mail.received, [])
  const open = await channelTo(t, { disabledCommands: ['AUTH'] }, { user: 'sallyport', passwordFile })
  await t.rejects(open.send(), /did not take the user and the password/)
  t.strictSame(open.mail.received, [])
})

t.test('a recipient that the server refuses for good is not tried again; a server that is busy is', async t => {
  const refused = await channelTo(t, {
    onRcptTo: (_address, _session, done) => done(Object.assign(new Error('no <such> user'), { responseCode: 550 })),
  })
  const error = await refused.send().catch(error => error)
  t.type(error, JobRefused)
  t.match(error.message, /refused it.*\(550\)/)
  t.notMatch(error.message, /such/, 'what the server says is not shown')
  const busy = await channelTo(t, {
    onMailFrom: (_address, _session, done) => done(Object.assign(new Error('later'), { responseCode: 451 })),
  })
  const later = await busy.send().catch(error => error)
  t.notOk(later instanceof JobRefused)
  t.match(later.message, /\(451\)/)
})
