/** Heads of the audit log go to a file, a receiver and a time-stamp authority; what is cut off later is then named. */

import { createHmac, randomBytes } from 'node:crypto'
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { parseConfig } from '../../../src/config/load-config.ts'
import { asOwner, cli } from '../../support/run-cli.ts'
import { startTestGateway, type TestGateway } from '../../support/start-gateway.ts'
import { startTsa } from '../../support/start-tsa.ts'
import { testSigner } from '../../support/test-signer.ts'

interface Received {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

const home = mkdtempSync(join(tmpdir(), 'sallyport-heads-'))
t.teardown(() => rmSync(home, { recursive: true }))
const [heads, copy, key, secretFile] = ['heads.jsonl', 'audit.jsonl', 'sallyport.pub', 'secret'].map(name =>
  join(home, name),
) as [string, string, string, string]
const secret = randomBytes(32)
writeFileSync(secretFile, `whsec_${secret.toString('base64')}\n`)
const tsa = await startTsa()
t.teardown(() => tsa.stop())

const received: Received[] = []
let status = 204
const receiver = createServer(async (request, response) => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  received.push({ headers: request.headers, body: Buffer.concat(chunks).toString('utf8') })
  response.writeHead(status).end()
})
await new Promise<void>(resolve => receiver.listen(0, '127.0.0.1', resolve))
t.teardown(() => {
  receiver.closeAllConnections()
  receiver.close()
})
const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/heads`

type Settings = NonNullable<TestGateway['config']['audit']['heads']>
const settings = (changes: Partial<Settings>): Settings => ({
  ...{ everyEvents: 3, everyMs: 3_600_000, refuseLoginsAfterMs: undefined },
  ...{ file: undefined, http: undefined, timeStamp: undefined, ...changes },
})
const http = { url, secretFile, secretEnvironment: undefined, caFile: undefined, timeout: 5000 }
const timeStamp = { url: tsa.url, caFile: tsa.ca, timeout: 5000 }

const gateway = await startTestGateway({
  configure(config) {
    config.audit = { ...config.audit, file: copy, heads: settings({ file: heads, http, timeStamp }) }
  },
})
t.teardown(() => gateway.close())
writeFileSync(key, (await asOwner(gateway, ['key', 'public'])).stdout)

interface Line {
  readonly type: string
  readonly seq: number
}
const linesOf = (path: string): Line[] =>
  existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map(line => JSON.parse(line))
    : []
const stamps = () =>
  linesOf(heads)
    .filter(({ type }) => type.endsWith('time-stamp'))
    .map(({ seq }) => seq)
const sent = () =>
  linesOf(heads)
    .filter(({ type }) => !type.endsWith('time-stamp'))
    .map(({ seq }) => seq)

/** Waits for what files and servers show: what goes on has no other sign. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise(resolve => setTimeout(resolve, 10))
}
const noise = async (count: number) => {
  for (let i = 0; i < count; i++) await gateway.parts.audit.append({ kind: 'recording.replayed', actor: 'audrey' })
}
/** Nothing waits to be sent, and each outage was told to be over. */
const settled = () =>
  until(async () => {
    const { values } = await gateway.parts.metrics.auditHeadsWaiting.get()
    const [failed, again] = await Promise.all([
      gateway.parts.audit.list({ kind: 'audit.head-failed' }),
      gateway.parts.audit.list({ kind: 'audit.head-sent-again' }),
    ])
    return values.every(({ value }) => value === 0) && failed.length === again.length
  })
const lastSeq = async () => (await gateway.parts.audit.list({ limit: 1 }))[0]!.seq

t.test('a head goes out at the start and every so many events, to all three', async t => {
  await until(() => sent().length === 1)
  const before = Math.max(...sent())
  await noise(4)
  await until(() => Math.max(...sent()) > before)
  const seq = Math.max(...sent())
  const got = () => received.find(({ body }) => JSON.parse(body).seq === seq)
  await until(() => stamps().includes(seq) && got() !== undefined)
  const { headers, body } = got()!
  const id = headers['webhook-id'] as string
  const signed = `${id}.${headers['webhook-timestamp']}.${body}`
  t.equal(headers['webhook-signature'], `v1,${createHmac('sha256', secret).update(signed).digest('base64')}`)
  t.match(JSON.parse(body), { type: 'sallyport-audit-head', seq, gateway: gateway.parts.gateway })
  t.equal(new Set(received.map(({ headers }) => headers['webhook-id'])).size, received.length, 'an id for each')
})

t.test('a log that is whole has them all, in the store and in the copy', async t => {
  const live = await asOwner(gateway, ['audit', 'verify', '--heads', heads, '--tsa-ca', tsa.ca])
  t.match(
    live,
    { exit: 0, stdout: /time stamps of the authority hold\n\d+ heads that were sent out are in it/ },
    live.stderr,
  )
  await gateway.reopen()
  const offline = await cli(['audit', 'verify', copy, '--key', key, '--heads', heads, '--tsa-ca', tsa.ca])
  t.match(offline, { exit: 0, stdout: /(\d+) of \1 heads are in it/ }, offline.stderr)
  t.match(await asOwner(gateway, ['audit', 'verify', '--heads', heads]), {
    exit: 0,
    stdout: /not checked: name the authority/,
  })
})

t.test('what the receiver got can be used like the file', async t => {
  const file = join(home, 'received.jsonl')
  writeFileSync(file, received.map(({ body }) => `${body}\n`).join(''))
  t.match(await asOwner(gateway, ['audit', 'verify', '--heads', file]), { exit: 0 })
})

t.test('a receiver that fails holds nobody up, is told once, and gets the heads later', async t => {
  status = 503
  const before = received.length
  await noise(4)
  await until(() => received.length > before)
  const failed = () => gateway.parts.audit.list({ kind: 'audit.head-failed' })
  await until(async () => (await failed()).length === 1)
  t.match(JSON.parse((await failed())[0]!.data), { to: 'http', reason: 'the answer has the status 503' })
  t.match(gateway.logLines.join(''), /a head of the audit log cannot be sent/)
  t.match(await asOwner(gateway, ['health']), { exit: 0 })
  const metrics = await gateway.parts.metrics.registry.metrics()
  t.match(metrics, /sallyport_audit_heads_failed_total\{to="http"\} [1-9]/)
  t.match(metrics, /sallyport_audit_heads_waiting\{to="http"\} [1-9]/)
  status = 204
  await until(async () => (await gateway.parts.audit.list({ kind: 'audit.head-sent-again' })).length === 1)
  t.equal((await failed()).length, 1)
  t.equal(JSON.parse(received.at(-1)!.body).seq <= (await lastSeq()), true)
})

t.test('an authority that answers with something else is a failure, and nothing is kept of it', async t => {
  await settled()
  const before = stamps().length
  tsa.answer = () => tsa.reply(tsa.requests[0]!)
  await noise(4)
  await until(async () =>
    (await gateway.parts.audit.list({ kind: 'audit.head-failed' })).some(({ data }) => data.includes('time-stamp')),
  )
  t.equal(stamps().length, before)
  tsa.answer = undefined
  await until(() => stamps().length > before)
})

t.test('heads that were altered, and those of another installation, are named with their line', async t => {
  const file = join(home, 'altered.jsonl')
  const [line] = readFileSync(heads, 'utf8').split('\n') as [string]
  writeFileSync(file, `${line.replace(/"seq":\d+/, '"seq":2')}\nnothing\n`)
  const result = await asOwner(gateway, ['audit', 'verify', '--heads', file])
  t.match(result, {
    exit: 1,
    stdout: /altered.jsonl:1: head 2 is not what was signed\n.*altered.jsonl:2: it is not a head/,
  })
  const other = join(home, 'other.pub')
  writeFileSync(other, testSigner().publicKeyPem)
  t.match(await asOwner(gateway, ['audit', 'verify', '--heads', heads, '--key', other]), {
    exit: 1,
    stdout: /signed with another key/,
  })
  const torn = join(home, 'torn.jsonl')
  writeFileSync(torn, `${line}\n${line.slice(0, 30)}`)
  t.match(await asOwner(gateway, ['audit', 'verify', '--heads', torn]), { exit: 0, stdout: /unfinished last line/ })
})

t.test('an end of the log that was cut off is named, in the store, in the copy and in a list', async t => {
  const { database } = gateway.parts
  await settled()
  const before = Math.max(...sent())
  await noise(4)
  await until(() => Math.max(...sent()) > before)
  await settled()
  const seq = Math.max(...sent())
  const cut = seq - 2
  await gateway.reopen()
  const kept = await database.selectFrom('audit_events').selectAll().where('seq', '>', cut).execute()
  const { hash } = await database
    .selectFrom('audit_events')
    .select('hash')
    .where('seq', '=', cut)
    .executeTakeFirstOrThrow()
  await database.deleteFrom('audit_events').where('seq', '>', cut).execute()
  await database.updateTable('audit_head').set({ seq: cut, hash }).execute()
  t.match(await asOwner(gateway, ['audit', 'verify']), { exit: 0 }, 'alone it looks whole')
  const said = new RegExp(`the log ends at ${cut}, but head ${seq} was sent out at ${new Date().getFullYear()}`)
  const live = await asOwner(gateway, ['audit', 'verify', '--heads', heads])
  t.match(live, { exit: 1, stdout: said, stderr: /not the one whose heads were sent out/ })

  const all = readFileSync(copy, 'utf8').trimEnd().split('\n')
  const short = join(home, 'short.jsonl')
  writeFileSync(short, `${all.slice(0, cut).join('\n')}\n`)
  t.match(await cli(['audit', 'verify', short, '--key', key, '--heads', heads]), { exit: 1, stdout: said })

  const list = join(home, 'list.jsonl')
  await asOwner(gateway, ['audit', 'export', '-o', list])
  const against = ['session', 'verify', home, '--against', list, '--key', key, '--heads', heads]
  t.match(await cli(against), { exit: 1, stderr: /the log ends at \d+, but head \d+ was sent out|was written anew/ })

  await noise(10)
  const anew = await asOwner(gateway, ['audit', 'verify', '--heads', heads])
  t.match(anew, { exit: 1, stdout: /is not the one whose head was sent out at/ }, 'also when the log went on since')
  t.ok(kept.length >= 2)
})

t.test('logins wait for heads only where that is configured', async t => {
  status = 503
  const strict = await startTestGateway({
    configure(config) {
      config.audit.heads = settings({ http, refuseLoginsAfterMs: 600_000 })
    },
  })
  t.teardown(() => strict.close())
  const granted = () => strict.parts.audit.append({ kind: 'decision.granted', actor: 'alice' })
  await until(async () => (await strict.parts.audit.list({ kind: 'audit.head-failed' })).length === 1)
  await t.resolves(granted())
  strict.clock.advance(600_001)
  await t.rejects(granted(), { code: 'AUDIT_UNAVAILABLE', message: /refuseLoginsAfter/ })
  await t.resolves(strict.parts.audit.append({ kind: 'decision.denied', actor: 'alice' }), 'everything else goes on')
  status = 204
  await until(() =>
    granted().then(
      () => true,
      () => false,
    ),
  )
})

t.test('settings that cannot be meant are refused', async t => {
  const refused = (text: string) => {
    try {
      parseConfig('sallyport.yaml', `audit:\n  heads: ${text}\n`)
      return ''
    } catch (error) {
      return (error as Error).message
    }
  }
  t.match(refused('{}'), /heads go to a file, to http, or to both/)
  t.match(
    refused('{ timeStamp: { url: http://tsa.example, caFile: ca.pem }, http: { url: "https://x.example" } }'),
    /name one/,
  )
  t.match(refused('{ http: { url: "ftp://x.example" } }'), /a URL is written as https/)
  t.match(refused('{ http: { url: "https://a:b@x.example" } }'), /no user and no password/)
  t.match(refused('{ http: { url: "https://x.example", secretFile: a, secretEnvironment: B } }'), /one of secretFile/)
  t.equal(refused('{ file: heads.jsonl, every: 1m }'), '')
  const weak = join(home, 'weak')
  appendFileSync(weak, 'password\n')
  const start = startTestGateway({
    configure(config) {
      config.audit.heads = settings({ http: { ...http, secretFile: weak } })
    },
  })
  await t.rejects(start, { code: 'CONFIG_INVALID', message: /weak is not whsec_/ })
})

t.test('a gateway that stops sends the end of its log', async t => {
  await gateway.stop(0)
  t.equal(sent().at(-1), JSON.parse(readFileSync(copy, 'utf8').trimEnd().split('\n').at(-1)!).seq)
})
