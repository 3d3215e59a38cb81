import { connect, createServer, type Socket } from 'node:net'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { type AuditLog, createAuditLog } from '../../../src/audit/audit-log.ts'
import { type Database, openDatabase } from '../../../src/database/database.ts'
import { systemClock } from '../../../src/shared/clock.ts'
import { GatewayError } from '../../../src/shared/errors.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { eachStore, postgresDatabase, type Store, stopStores } from '../../support/each-store.ts'
import { startPostgres } from '../../support/start-postgres.ts'
import { testSigner } from '../../support/test-signer.ts'

t.teardown(stopStores)
const signer = testSigner()

function auditOn(database: Database, gateway = 'gw_1'): AuditLog {
  return createAuditLog({ database, signer, gateway, clock: systemClock })
}

/** Appends that many events at once; `data.number` counts them. Returns the numbers of those that were confirmed as stored. */
async function appendMany(audit: AuditLog, count: number, actor = 'alice'): Promise<number[]> {
  const appended = Array.from({ length: count }, async (_, number) => {
    await audit.append({ kind: 'login.accepted', actor, data: { number } })
    return number
  })
  const stored: number[] = []
  for (const result of await Promise.allSettled(appended)) {
    if (result.status === 'fulfilled') stored.push(result.value)
    else if (!(result.reason instanceof GatewayError && result.reason.code === 'AUDIT_UNAVAILABLE')) throw result.reason
  }
  return stored
}

async function numbersOf(audit: AuditLog, actor: string): Promise<number[]> {
  return (await audit.list({ actor, limit: 1000 })).map(row => (JSON.parse(row.data) as { number: number }).number)
}

async function chainOfFive(store: Store): Promise<{ database: Database; audit: AuditLog }> {
  const database = await store.open()
  const audit = auditOn(database)
  await appendMany(audit, 5)
  return { database, audit }
}

await eachStore(t, 'events are kept in order, and can be asked for', async (t, store) => {
  const audit = auditOn(await store.open())
  t.match(await audit.verify(), { ok: true, events: 0 }, 'an empty chain is good')
  await audit.append({ kind: 'gateway.started', actor: 'gateway' })
  await appendMany(audit, 600)
  await audit.append({ kind: 'session.started', actor: 'bob', session: 'ses_1', data: { target: 'web-01' } })
  t.match(await audit.verify(), { ok: true, events: 602, head: { seq: 602 } })

  const seqs = async (query: Parameters<AuditLog['list']>[0]) => (await audit.list(query)).map(row => row.seq)
  t.same(await seqs({ limit: 3 }), [600, 601, 602], 'the last ones, oldest first')
  t.same(await seqs({ limit: 2, before: 601 }), [599, 600])
  t.same(await seqs({ limit: 2, after: 10 }), [11, 12])
  t.same(await seqs({ after: 602 }), [])
  t.equal((await seqs({})).length, 100)
  t.equal((await seqs({ limit: 1e9, after: 0 })).length, 602)
  t.same(await seqs({ session: 'ses_1' }), [602])
  t.same(await seqs({ kind: 'gateway.started' }), [1])
  t.same(await seqs({ actor: "bob' or 1=1 --" }), [])
  const [last] = await audit.list({ actor: 'bob' })
  t.same(await seqs({ since: last!.at + 1 }), [])
  t.ok((await seqs({ since: last!.at })).includes(602))
  t.notOk((await seqs({ until: last!.at, limit: 1000 })).includes(602))
  t.same(
    await numbersOf(audit, 'alice'),
    Array.from({ length: 600 }, (_, number) => number),
    'in the order of the calls',
  )
})

await eachStore(t, 'strange names and secrets do no harm', async (t, store) => {
  const audit = auditOn(await store.open())
  const typed = `\0'"; drop table audit_events; -- \ud800 \u001b[2J \u2028 😀`
  await audit.append({ kind: 'login.refused', actor: typed, data: { typed, password: new Secret('hush') } })
  await audit.append({ kind: 'login.refused', actor: 'x', data: { typed: 'y'.repeat(10_000_000) } })
  t.match(await audit.verify(), { ok: true, events: 2 })
  const [strange, long] = await audit.list()
  t.equal(strange!.actor, typed.toWellFormed().replace('\0', '\ufffd'))
  t.same(JSON.parse(strange!.data), { typed, password: '[secret]' })
  t.ok(long!.data.length < 20_000, 'what is very long is cut')
  t.match(JSON.parse(long!.data), { truncated: true, length: 10_000_012 })
})

interface Tampering {
  readonly what: string
  readonly statement: string
  readonly found: { seq: number; problem: string }
}

const TAMPERINGS: Tampering[] = [
  {
    what: 'an event is changed',
    statement: `update audit_events set actor = 'eve' where seq = 3`,
    found: { seq: 3, problem: 'changed' },
  },
  {
    what: 'an event moves to another session',
    statement: `update audit_events set session = 'ses_9' where seq = 2`,
    found: { seq: 2, problem: 'changed' },
  },
  {
    what: 'an event is taken out',
    statement: 'delete from audit_events where seq = 2',
    found: { seq: 2, problem: 'missing' },
  },
  {
    what: 'the first event is taken out',
    statement: 'delete from audit_events where seq = 1',
    found: { seq: 1, problem: 'missing' },
  },
  {
    what: 'the end is cut off',
    statement: 'delete from audit_events where seq > 3',
    found: { seq: 4, problem: 'truncated' },
  },
  { what: 'all is taken out', statement: 'delete from audit_events', found: { seq: 1, problem: 'truncated' } },
  {
    what: 'a signature is another event’s',
    statement: 'update audit_events set signature = (select signature from audit_events where seq = 1) where seq = 4',
    found: { seq: 4, problem: 'bad-signature' },
  },
  {
    what: 'an event is added behind the end',
    statement: `insert into audit_events select 6, at, gateway, kind, actor, session, data, previous, hash, signature from audit_events where seq = 5`,
    found: { seq: 6, problem: 'changed' },
  },
  { what: 'the head is changed', statement: `update audit_head set hash = 'x'`, found: { seq: 5, problem: 'changed' } },
  { what: 'the head is taken out', statement: 'delete from audit_head', found: { seq: 1, problem: 'truncated' } },
]

for (const { what, statement, found } of TAMPERINGS) {
  await eachStore(t, `it shows when ${what}`, async (t, store) => {
    const { database, audit } = await chainOfFive(store)
    t.match(await audit.verify(), { ok: true, events: 5 })
    await sql.raw(statement).execute(database)
    t.match(await audit.verify(), { ok: false, ...found })
  })
}

await eachStore(t, 'a chain cut short together with its head shows against an end noted earlier', async (t, store) => {
  const { database, audit } = await chainOfFive(store)
  const noted = await audit.verify()
  if (!noted.ok) throw new Error(noted.message)
  await sql`delete from audit_events where seq > 3`.execute(database)
  await sql`update audit_head set seq = 3, hash = (select hash from audit_events where seq = 3)`.execute(database)
  t.match(await audit.verify(), { ok: true, events: 3 }, 'alone it cannot be seen')
  t.match(await audit.verify({ checkpoint: noted.head }), { ok: false, seq: 4, problem: 'truncated' })
  await appendMany(audit, 4)
  t.match(
    await audit.verify({ checkpoint: noted.head }),
    { ok: false, seq: 5, problem: 'changed' },
    'nor by growing again',
  )
  await appendMany(audit, 2)
  t.match(await audit.verify({ publicKeyPem: testSigner().publicKeyPem }), {
    ok: false,
    seq: 1,
    problem: 'bad-signature',
  })
})

t.test('three gateways on one PostgreSQL write one chain', async t => {
  const url = await postgresDatabase()
  const databases = await Promise.all([1, 2, 3].map(() => openDatabase(url)))
  t.teardown(() => Promise.all(databases.map(database => database.destroy())))
  const audits = databases.map((database, index) => auditOn(database, `gw_${index}`))
  await Promise.all(
    audits.map(async (audit, index) => {
      for (let round = 0; round < 20; round++) {
        t.equal((await appendMany(audit, 5, `u${index}`)).length, 5)
        // Verifying while others write never takes a chain that grows for one that is broken.
        if (round % 10 === index) t.match(await audit.verify(), { ok: true })
      }
    }),
  )
  t.match(await audits[0]!.verify(), { ok: true, events: 300 })
  const gateways = new Set((await audits[0]!.list({ limit: 1000 })).map(row => row.gateway))
  t.same(gateways, new Set(['gw_0', 'gw_1', 'gw_2']))
})

t.test('when PostgreSQL crashes, what was told to be stored is, and the chain goes on after it', async t => {
  const server = await startPostgres()
  t.teardown(() => server.stop())
  const database = await openDatabase(server.url())
  t.teardown(() => database.destroy())
  const audit = auditOn(database)
  const early = await appendMany(audit, 50, 'early')
  const during = appendMany(audit, 2000, 'during')
  await server.crash()
  const stored = await during
  t.ok(stored.length < 2000, `${stored.length} were stored`)
  await t.rejects(audit.append({ kind: 'gateway.stopped', actor: 'gateway' }), { code: 'AUDIT_UNAVAILABLE' })
  await server.restart()
  await audit.append({ kind: 'gateway.started', actor: 'gateway' })
  t.match(await audit.verify(), { ok: true })
  t.same(await numbersOf(audit, 'early'), early)
  const kept = await numbersOf(audit, 'during')
  t.same(
    stored.filter(number => !kept.includes(number)),
    [],
    'nothing that was told to be stored is missing',
  )
  t.equal(new Set(kept).size, kept.length, 'and nothing is there twice')
})

t.test('a commit whose answer is lost is not stored twice', async t => {
  const url = new URL(await postgresDatabase())
  const proxy = await commitEatingProxy(t, { host: url.hostname, port: Number(url.port) })
  url.port = String(proxy.port)
  const database = await openDatabase(url.href)
  t.teardown(() => database.destroy())
  const audit = auditOn(database)
  await audit.append({ kind: 'gateway.started', actor: 'gateway' })
  proxy.eatNext()
  await audit.append({ kind: 'login.accepted', actor: 'alice' })
  t.equal(proxy.eaten(), 1, 'the answer was lost')
  t.equal((await audit.list({ actor: 'alice' })).length, 1)
  t.match(await audit.verify(), { ok: true, events: 2 })
})

/** Passes bytes on to PostgreSQL; the next answer to a COMMIT is cut off together with its connection. */
async function commitEatingProxy(t: Test, to: { host: string; port: number }) {
  let hungry = false
  let eaten = 0
  const open = new Set<Socket>()
  const server = createServer(client => {
    const upstream = connect(to)
    for (const socket of [client, upstream]) {
      open.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        open.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    client.on('data', bytes => upstream.write(bytes))
    upstream.on('data', bytes => {
      // CommandComplete: 'C', the length, then the tag.
      if (hungry && bytes.includes('COMMIT\0')) {
        hungry = false
        eaten++
        client.destroy()
      } else client.write(bytes)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(async () => {
    for (const socket of open) socket.destroy()
    await new Promise(resolve => server.close(resolve))
  })
  return {
    port: (server.address() as { port: number }).port,
    eatNext() {
      hungry = true
    },
    eaten: () => eaten,
  }
}
