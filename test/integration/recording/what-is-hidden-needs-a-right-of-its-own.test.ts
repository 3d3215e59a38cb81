/** What a recording hides is in it, under a key of its own: who has the right reads it, audited before; nobody else does. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Secret } from '../../../src/shared/secret.ts'
import { psql } from '../../support/psql.ts'
import { asOwner, withToken } from '../../support/run-cli.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { startPostgres } from '../../support/start-postgres.ts'
import { makeToken } from '../../support/web-01.ts'

const target = await startPostgres({ sql: `create role dba login superuser password 'only the vault knows'` })
t.teardown(() => target.stop())
const gateway = await startTestGateway()
t.teardown(() => gateway.close())
await gateway.addRole({ name: 'dba', targets: { names: ['orders'] }, accounts: { names: ['dba'] } })
await gateway.addTarget(
  {
    name: 'orders',
    protocol: 'postgres',
    host: '127.0.0.1',
    port: target.port,
    tls: 'disable',
    accounts: [{ name: 'dba', default: true }],
  },
  { dba: { kind: 'password', password: new Secret('only the vault knows') } },
)
const alice = await gateway.addUser({ name: 'alice', roles: ['dba'] })
await gateway.addUser({ name: 'audrey' })
const SQL = `alter role dba password "S3cr3tX"`
await psql(
  `host=localhost port=${gateway.postgres!.port} user=alice+dba+orders sslmode=require`,
  alice.password + alice.code(),
  [SQL, 'select 1'],
)
const [row] = await gateway.parts.sessions.list({ limit: 1 })
const session = row!.id
await gateway.ended(session)

const events = async () => (await gateway.parts.audit.list({ session })).map(({ kind, actor }) => `${kind} by ${actor}`)
const VIEWS = [
  ['session', 'replay', session],
  ['session', 'export', session],
  ['session', 'export', session, '--format', 'jsonl'],
]

t.test('views do not show it, and say that there is more', async t => {
  const auditor = await makeToken(gateway, 'audrey', 'auditor')
  for (const words of VIEWS) {
    const view = await withToken(gateway, auditor, words)
    t.equal(view.exit, 0)
    t.match(view.stdout, /alter role dba password \[hidden\]/)
    t.match(view.stdout, words.includes('jsonl') ? /"protected":"/ : /--reveal shows it/)
    t.notMatch(view.stdout, /S3cr3tX/)
  }
})

t.test('auditors and administrators are refused, and that is audited', async t => {
  for (const scope of ['read', 'auditor', 'admin']) {
    const token = await makeToken(gateway, 'audrey', scope, `refused-${scope}`)
    for (const words of VIEWS) {
      const refused = await withToken(gateway, token, [...words, '--reveal-statements'])
      t.match(refused, { exit: 4, stdout: '', stderr: /needs a token with the scope reveal;/ })
    }
  }
  t.notOk((await events()).some(event => event.startsWith('recording.revealed')))
  const refusals = await gateway.parts.audit.list({ kind: 'api.refused' })
  t.match(JSON.parse(refusals.at(-1)!.data), { needed: 'reveal', held: /admin|auditor|read/ })
})

t.test('who has the right reads it whole, audited before', async t => {
  const revealer = await makeToken(gateway, 'audrey', 'revealer')
  for (const words of VIEWS) {
    const view = await withToken(gateway, revealer, [...words, '--reveal'])
    t.equal(view.exit, 0)
    t.match(view.stdout, words.includes('jsonl') ? JSON.stringify(SQL).slice(1, -1) : SQL)
    t.match(view.stdout, /syntax error at or near/)
    t.equal((await events()).at(-1), 'recording.revealed by audrey')
  }
  t.match((await withToken(gateway, revealer, ['session', 'replay', session])).stdout, /\[hidden\]/)
  // The earlier name goes on.
  const owner = await asOwner(gateway, ['session', 'replay', session, '--reveal-statements'])
  t.match(owner.stdout, SQL)
  t.equal((await events()).at(-1), 'recording.revealed by owner')
})

t.test('an administrator cannot make that right', async t => {
  const admin = await makeToken(gateway, 'audrey', 'admin', 'maker')
  const words = ['token', 'create', 'mine', '--user', 'audrey', '--scope', 'revealer']
  t.match(await withToken(gateway, admin, words), { exit: 4, stdout: '', stderr: /made by the owner/ })
})

t.test('a revealer administrates nothing', async t => {
  const revealer = await makeToken(gateway, 'audrey', 'revealer', 'no-admin')
  t.match(await withToken(gateway, revealer, ['token', 'list']), { exit: 4 })
})

t.test('the file has it only encrypted, and still verifies', async t => {
  const file = readFileSync(join(gateway.config.recording.folder, row!.recording!))
  t.notOk(file.includes('S3cr3tX'))
  t.match((await asOwner(gateway, ['session', 'verify', session])).exit, 0)
})
