/** Receivers and mail servers that hang, drip, flood, redirect, or are not who they should be. */

import { readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Message } from '../../../src/notifications/channels/channel.ts'
import { JobFailed, JobRefused } from '../../../src/schedule/job.ts'
import { makeCertificates } from '../../support/certificates.ts'
import { startHttpReceiver } from '../../support/http-receiver.ts'
import { startMailServer } from '../../support/mail-server.ts'
import { openTestChannels, WEBHOOK_SECRET } from '../../support/notification-parts.ts'

const folder = t.testdir()
const secretFile = join(folder, 'secret')
writeFileSync(secretFile, WEBHOOK_SECRET)
const trusted = await makeCertificates(join(folder, 'trusted'))
const other = await makeCertificates(join(folder, 'other'))
const tlsOf = (files: { keyFile: string; certificateFile: string }) => ({
  key: readFileSync(files.keyFile, 'utf8'),
  cert: readFileSync(files.certificateFile, 'utf8'),
})

const MESSAGE: Message = {
  ...{ id: 'dlv_00000000000000000000000001', kind: 'alert.evidence', at: 0, link: undefined },
  ...{ subject: 'a subject', lines: ['a line'], to: { user: 'alice', address: 'alice@example.org' } },
}

/** What came of a try. */
async function tried(channel: Record<string, unknown>): Promise<unknown> {
  const [opened] = await openTestChannels({ tried: channel })
  return opened!.send(MESSAGE, new AbortController().signal).then(
    () => 'delivered',
    error => error,
  )
}

const webhook = (url: string, more = {}) =>
  tried({ kind: 'webhook', url, secretFile, allowLocal: true, timeout: '1s', ...more })
const email = (port: number, more = {}) =>
  tried({ kind: 'email', host: 'localhost', port, from: 'g@example.org', allowLocal: true, timeout: '1s', ...more })

/** A server that does with each connection what it is told; gives its port. */
async function rawServer(t: Test, serve: (socket: Socket) => void): Promise<number> {
  const open = new Set<Socket>()
  const server = createServer(socket => {
    open.add(socket.on('error', () => undefined).on('close', () => open.delete(socket)))
    serve(socket)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** Writes the text again and again, as fast as it is taken or with a pause. */
function goOn(socket: Socket, text: string | Buffer, pauseMs = 0): void {
  const write = () => {
    if (socket.destroyed) return
    const goes = socket.write(text)
    if (pauseMs > 0) setTimeout(write, pauseMs).unref()
    else if (goes) setImmediate(write)
    else socket.once('drain', write)
  }
  write()
}

const MEGABYTE = Buffer.alloc(1024 * 1024, 'x')

t.test('a receiver that hangs, drips or floods is left, and the delivery comes again', async t => {
  const answering = (head: string, go: (socket: Socket) => void) => (socket: Socket) =>
    void socket.once('data', () => {
      if (head !== '') socket.write(head)
      go(socket)
    })
  const head = 'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n'
  for (const [what, serve, words] of [
    ['hangs before it answers', () => undefined, /no answer within 1000 ms/],
    ['hangs in its answer', answering(head, () => undefined), /no answer within 1000 ms/],
    ['drips', answering(head, socket => goOn(socket, 'x', 10)), /no answer within 1000 ms/],
    ['drips its header', answering('', socket => goOn(socket, 'H', 10)), /could not be reached|no answer/],
    ['floods', answering(head, socket => goOn(socket, MEGABYTE)), /the answer is too long/],
    ['floods with a header', answering('HTTP/1.1 200 OK\r\nx: ', socket => goOn(socket, MEGABYTE)), /could not be/],
    ['drops the connection', (socket: Socket) => void socket.destroy(), /could not be reached/],
    ['drops it in the middle', answering('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx', s => s.end()), /could not/],
    ['is no HTTP', (socket: Socket) => void socket.end('SSH-2.0-x\r\n'), /could not be reached/],
  ] as const) {
    const port = await rawServer(t, serve)
    const error = await webhook(`http://localhost:${port}/`)
    t.ok(error instanceof JobFailed && !(error instanceof JobRefused), `${what}: ${error}`)
    t.match(String(error), words, what)
  }
})

t.test('no redirect is followed, and what a receiver says is not shown', async t => {
  const [receiver, behind] = [await startHttpReceiver(), await startHttpReceiver()]
  t.teardown(() => Promise.all([receiver.close(), behind.close()]))
  for (const location of [behind.url, 'http://169.254.169.254/latest/meta-data/', '//localhost/']) {
    for (const status of [301, 302, 303, 307, 308]) {
      receiver.answer(response => void response.writeHead(status, { location }).end('<!channel> a secret'))
      const error = await webhook(receiver.url)
      t.type(error, JobRefused)
      t.notMatch(String(error), /channel|secret|169/)
    }
  }
  t.strictSame(behind.received, [])
  receiver.answer(response => void response.writeHead(410).end())
  t.type(await webhook(receiver.url), JobRefused)
  for (const [status, headers, retryAfterMs] of [
    [429, { 'retry-after': '120' }, 120_000],
    [503, { 'retry-after': 'Sat, 28 Nov 2026 07:01:30 GMT', date: 'Sat, 28 Nov 2026 07:00:00 GMT' }, 90_000],
    [429, { 'retry-after': 'soon <a secret>' }, 0],
    [429, { 'retry-after': '-5' }, 0],
    [429, {}, 0],
  ] as const) {
    receiver.answer(response => void response.writeHead(status, headers).end())
    const error = await webhook(receiver.url)
    t.notOk(error instanceof JobRefused)
    t.match(error, { message: `The receiver answered ${status}.`, retryAfterMs })
  }
  receiver.answer(response => void response.writeHead(500, 'a secret').end('a secret'))
  t.equal(String(await webhook(receiver.url)), 'Error: The receiver answered 500.')
})

t.test('no local or metadata address is connected to unless the channel allows it, by whatever name', async t => {
  const receiver = await startHttpReceiver()
  t.teardown(() => receiver.close())
  const { port } = new URL(receiver.url)
  const hosts = [
    'localhost',
    '127.0.0.1',
    '127.1',
    '0x7f000001',
    '2130706433',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '0.0.0.0',
  ]
  const metadata = ['169.254.169.254', '[::ffff:a9fe:a9fe]', '[fd00:ec2::254]', '100.100.100.200', '[fe80::1]']
  for (const host of [...hosts, ...metadata]) {
    const error = await webhook(`https://${host}:${port}/`, { allowLocal: false })
    t.type(error, JobRefused, host)
    t.match(String(error), /allowLocal: true/, host)
    const plain = host.replace(/^\[|\]$/g, '')
    t.type(await tried({ kind: 'email', host: plain, port: Number(port), from: 'g@example.org' }), JobRefused, plain)
  }
  t.strictSame(receiver.received, [])
  const urlFile = join(folder, 'url')
  writeFileSync(urlFile, 'https://localhost/services/T0/B0/secret\n')
  for (const kind of ['slack', 'teams']) {
    const error = await tried({ kind, urlFile })
    t.type(error, JobRefused)
    t.notMatch(String(error), /services|secret/)
  }
})

t.test('one delivery is one connection: the one whose address was judged', async t => {
  let connections = 0
  const port = await rawServer(t, socket => {
    connections++
    socket.once('data', () => socket.end('HTTP/1.1 204 No Content\r\n\r\n'))
  })
  t.equal(await webhook(`http://localhost:${port}/`), 'delivered')
  t.equal(connections, 1)
})

t.test('a server that is not who it should be gets nothing', async t => {
  const receiver = await startHttpReceiver(tlsOf(trusted))
  t.teardown(() => receiver.close())
  t.match(String(await webhook(receiver.url)), /could not be reached/)
  t.match(String(await webhook(receiver.url, { caFile: other.caFile })), /could not be reached/)
  const elsewhere = await startHttpReceiver(tlsOf(trusted), '127.0.0.2')
  t.teardown(() => elsewhere.close())
  t.match(String(await webhook(elsewhere.url, { caFile: trusted.caFile })), /its certificate is for another name/)
  t.strictSame([...receiver.received, ...elsewhere.received], [])
  t.equal(await webhook(receiver.url, { caFile: trusted.caFile }), 'delivered')
  t.equal(await webhook(receiver.url.replace('localhost', '127.0.0.1'), { caFile: trusted.caFile }), 'delivered')
  t.equal(receiver.received.length, 2)

  for (const tls of ['starttls', 'implicit']) {
    const mail = await startMailServer({ ...tlsOf(trusted), secure: tls === 'implicit' })
    t.teardown(() => mail.close())
    const passwordFile = join(folder, 'password')
    writeFileSync(passwordFile, 'right')
    const login = { tls, user: 'sallyport', passwordFile }
    t.match(String(await email(mail.port, { ...login, caFile: other.caFile })), /could not be reached/)
    t.strictSame(mail.received, [])
    t.equal(await email(mail.port, { ...login, caFile: trusted.caFile }), 'delivered')
    t.equal(await email(mail.port, { ...login, caFile: trusted.caFile, host: '127.0.0.1' }), 'delivered')
  }
})

t.test('a mail server that hangs, drips, floods or drops is left, and the delivery comes again', async t => {
  const until = (line: RegExp, then: (socket: Socket) => void) => (socket: Socket) => {
    socket.write('220 mail.example\r\n')
    socket.on('data', data => {
      if (line.test(String(data))) {
        socket.removeAllListeners('data').resume()
        return then(socket)
      }
      socket.write(/^EHLO/.test(String(data)) ? '250-mail.example\r\n250 8BITMIME\r\n' : '250 yes\r\n')
    })
  }
  for (const [what, serve, words] of [
    ['hangs', () => undefined, /within 1000 ms/],
    ['drips its greeting', (socket: Socket) => goOn(socket, '2', 10), /within 1000 ms/],
    ['drips lines', (socket: Socket) => goOn(socket, '220-x\r\n', 10), /within 1000 ms/],
    ['floods', (socket: Socket) => goOn(socket, MEGABYTE), /could not be reached|refused|within/],
    [
      'floods with lines',
      (socket: Socket) => goOn(socket, '220-a line\r\n'.repeat(10_000)),
      /could not|refused|within/,
    ],
    ['drops before it greets', (socket: Socket) => void socket.destroy(), /could not be reached/],
    ['drops at RCPT', until(/^RCPT/, socket => socket.destroy()), /could not be reached/],
    ['drops in the mail', until(/^DATA/, socket => socket.end('354 go on\r\n')), /could not be reached/],
    ['hangs at the end', until(/^DATA/, socket => void socket.write('354 go on\r\n')), /within 1000 ms|refused/],
    ['is busy', (socket: Socket) => void socket.end('421 too many\r\n'), /\(421\)|could not be reached/],
    [
      'is no mail server',
      (socket: Socket) => void socket.end('HTTP/1.1 400 <!channel>\r\n\r\n'),
      /what no mail server says/,
    ],
  ] as const) {
    const port = await rawServer(t, serve)
    const error = await email(port, { tls: 'none' })
    t.ok(error instanceof JobFailed && !(error instanceof JobRefused), `${what}: ${error}`)
    t.match(String(error), words, what)
    t.notMatch(String(error), /channel/)
  }
  const unused = await rawServer(t, () => undefined)
  t.match(String(await email(unused, { host: 'no-such-host.invalid' })), /could not be reached/)
})
