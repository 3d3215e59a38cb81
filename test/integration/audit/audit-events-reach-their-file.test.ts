import { readFileSync, renameSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { createAuditLog } from '../../../src/audit/audit-log.ts'
import { createOutbox } from '../../../src/audit/chain/outbox.ts'
import { type AuditSink, createStreamSink, openFileSink } from '../../../src/audit/copy/sinks.ts'
import { verifyCopies } from '../../../src/audit/copy/verify-copies.ts'
import { type Database, openDatabase } from '../../../src/database/database.ts'
import { systemClock } from '../../../src/shared/clock.ts'
import { createLog } from '../../../src/shared/log.ts'
import { copyOf, verifyLines } from '../../support/audit-copy.ts'
import { testSigner } from '../../support/test-signer.ts'

const signer = testSigner()

async function openStore(t: Test): Promise<{ database: Database; file: string }> {
  const folder = t.testdir()
  const database = await openDatabase(`sqlite:${join(folder, 'store.db')}`)
  t.teardown(() => database.destroy())
  return { database, file: join(folder, 'audit.jsonl') }
}

function auditWith(database: Database, sinks: AuditSink[], gateway = 'gw_1', log?: ReturnType<typeof createLog>) {
  const audit = createAuditLog({ database, signer, gateway, clock: systemClock, sinks, ...(log ? { log } : {}) })
  return {
    ...audit,
    appendMany: (count: number) =>
      Promise.all(
        Array.from({ length: count }, (_, number) =>
          audit.append({ kind: 'login.accepted', actor: 'alice', data: { number } }),
        ),
      ),
  }
}

const linesOf = (path: string) => readFileSync(path, 'utf8').split('\n').filter(Boolean)
const verifyFile = (path: string) => verifyLines(linesOf(path), signer)

t.test('every event is in the file, in order, readable by its owner alone, and verified without the store', async t => {
  const { database, file } = await openStore(t)
  const audit = auditWith(database, [await openFileSink(file)])
  await audit.appendMany(700)
  await audit.close()
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.match(await verifyFile(file), { ok: true, events: 700, last: { seq: 700 } })
  t.match(JSON.parse(linesOf(file)[0]!), { seq: 1, kind: 'login.accepted', actor: 'alice', data: { number: 0 } })
})

t.test('after log rotation, events go to the new file', async t => {
  const { database, file } = await openStore(t)
  const audit = auditWith(database, [await openFileSink(file)])
  await audit.appendMany(3)
  await audit.reopen()
  renameSync(file, `${file}.1`)
  await audit.reopen()
  await audit.appendMany(2)
  await audit.close()
  t.match(await verifyLines([...linesOf(`${file}.1`), ...linesOf(file)], signer), { events: 5 })
  t.equal(linesOf(`${file}.1`).length, 3)
})

t.test('a crash between the store and the file, or within a line, is mended by the next start', async t => {
  const { database, file } = await openStore(t)
  const first = auditWith(database, [await openFileSink(file)], 'gw_1')
  await first.appendMany(5)
  await first.close()
  // As a crash leaves it: two whole lines, and half of the third.
  const [one, two, three] = linesOf(file) as [string, string, string]
  truncateSync(file, 0)
  writeFileSync(file, `${one}\n${two}\n${three.slice(0, 50)}`)
  const second = auditWith(database, [await openFileSink(file)], 'gw_2')
  await second.appendMany(2)
  await second.close()
  t.match(await verifyFile(file), { ok: true, events: 7 })
  const third = auditWith(database, [await openFileSink(file)], 'gw_3')
  await third.close()
  t.match(await verifyFile(file), { ok: true, events: 7 }, 'and nothing is written twice')
})

t.test('a sink that fails holds up nobody, is told once in the log, and gets everything later', async t => {
  const { database } = await openStore(t)
  let full = true
  let text = ''
  const sink: AuditSink = {
    name: 'a full disk',
    async write(lines) {
      if (full) throw new Error('ENOSPC: no space left on device')
      text += lines
    },
    reopen: async () => undefined,
    close: async () => undefined,
  }
  const log = new PassThrough()
  const audit = auditWith(database, [sink], 'gw_1', createLog('info', log))
  await audit.appendMany(3)
  await audit.appendMany(400)
  await audit.reopen()
  full = false
  await audit.reopen()
  t.match(await verifyLines(text.split('\n'), signer), { ok: true, events: 403 })
  await audit.appendMany(1)
  await audit.close()
  t.match(await verifyLines(text.split('\n'), signer), { ok: true, events: 404 })
  const logged = String(log.read())
  t.equal(logged.match(/cannot be written/g)?.length, 1)
  t.match(logged, /ENOSPC/)
  t.match(logged, /written here again/)
})

t.test('a device that is really full fails, and says so', async t => {
  const sink = await openFileSink('/dev/full')
  await t.rejects(sink.write('line\n'), { code: 'ENOSPC' })
  await sink.close()
})

t.test('a reader of stdout that stalls holds up no login', async t => {
  const { database } = await openStore(t)
  const stalled = new PassThrough({ highWaterMark: 1 })
  const audit = auditWith(database, [createStreamSink(stalled)])
  await audit.appendMany(1000)
  t.ok(stalled.readableLength + stalled.writableLength < 512 * 1024, 'and what waits for it is bounded')
  let text = ''
  stalled.on('data', bytes => {
    text += bytes
  })
  await audit.close()
  t.match(await verifyLines(text.split('\n'), signer), { ok: true, events: 1000 })
})

t.test('a file that cannot be opened is told at the start', async t => {
  await t.rejects(openFileSink(join(t.testdir(), 'missing/audit.jsonl')), { code: 'CONFIG_INVALID', message: /ENOENT/ })
})

t.test('what a gateway that is gone for good had left is in the file of the one that appended it', async t => {
  const { database, file } = await openStore(t)
  const gone = createOutbox({ database, gateway: 'gw_gone', clock: systemClock })
  const two = `${file}.2`
  const living = auditWith(database, [await openFileSink(file)], 'gw_1')
  const other = auditWith(database, [await openFileSink(two)], 'gw_2')
  await living.appendMany(2)
  await other.appendMany(1)
  await gone.change(async (_on, tell) => {
    for (const kind of ['lease.ended', 'session.ended'] as const) tell({ kind, actor: 'alice' })
  })
  await other.flush(new Set(['gw_1', 'gw_2']))
  await living.appendMany(1)
  await living.close()
  await other.close()
  t.equal(linesOf(two).length, 3)
  const copies = [file, two].map(name => copyOf(name, linesOf(name)))
  t.match(await verifyCopies(copies, signer.publicKeyPem), { ok: true, events: 6, repeated: 0 })

  // One that takes the file over completes what both had written there.
  const next = auditWith(database, [await openFileSink(two)], 'gw_3')
  await next.appendMany(1)
  await next.close()
  const after = [file, two].map(name => copyOf(name, linesOf(name)))
  t.match(await verifyCopies(after, signer.publicKeyPem), { ok: true, events: 7, repeated: 0 })
})
