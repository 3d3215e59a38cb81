/** What an administrator changes and the event that tells of it are stored together: a kill, a refusal or a broken log leaves both or neither. */

import { sql } from 'kysely'
import t from 'tap'
import { auditedChange } from '../../../src/api/audited.ts'
import { createAuditLog } from '../../../src/audit/audit-log.ts'
import type { Database } from '../../../src/database/database.ts'
import { createTokens } from '../../../src/identity/tokens.ts'
import { systemClock as clock } from '../../../src/shared/clock.ts'
import { Crash, openCrashing } from '../../support/crashing-database.ts'
import { eachStore, stopStores } from '../../support/each-store.ts'
import { createTestSealer } from '../../support/recording-parts.ts'
import { testSigner } from '../../support/test-signer.ts'

t.teardown(stopStores)
const signer = testSigner()
const vault = createTestSealer()

/** Makes a token as the API does. */
function administrator(database: Database) {
  const audit = createAuditLog({ database, signer, gateway: 'gw_test', clock })
  const tokens = createTokens({ database, clock, vault })
  const make = (name: string) =>
    auditedChange(audit, { kind: 'token.created', actor: 'owner', data: { name } }, change =>
      tokens.create({ name, user: 'alice', scope: 'read' }, change),
    )
  return { audit, tokens, make }
}

async function stateOf(database: Database) {
  const { audit, tokens } = administrator(database)
  const events = (await audit.list({ after: 0, kind: 'token.created', limit: 1000 })).map(({ data }) =>
    JSON.parse(data),
  )
  t.match(await audit.verify(), { ok: true })
  return { tokens: (await tokens.list()).map(({ name }) => name).sort(), events }
}

eachStore(t, 'killed at any step', async (t, store) => {
  const database = await store.open()
  const names: string[] = []
  for (let at = 1, over = false; !over; at++) {
    const crash = new Crash(at)
    const dying = openCrashing(store.url, crash)
    const { make } = administrator(dying)
    crash.armed = true
    const name = `token-${at}`
    over = (await Promise.race([crash.dead, make(name)])) !== 'crashed'
    if (store.engine === 'sqlite' || over) await dying.destroy()
    else await endOthers(database)
    const { tokens, events } = await stateOf(database)
    t.same(events.map(event => event.name).sort(), tokens, `killed at step ${at}`)
    if (tokens.includes(name)) names.push(name)
  }
  t.ok(names.length >= 2, 'killed behind the commit, and not killed at all')
})

eachStore(t, 'a change that is refused is told as failed, and nothing else', async (t, store) => {
  const database = await store.open()
  const { make } = administrator(database)
  await make('one')
  await t.rejects(make('one'), { code: 'CONFLICT' })
  t.same(await stateOf(database), { tokens: ['one'], events: [{ name: 'one' }, { name: 'one', failed: 'CONFLICT' }] })
})

eachStore(t, 'what cannot be written to the audit log does not happen', async (t, store) => {
  const database = await store.open()
  const { make } = administrator(database)
  await database.schema.alterTable('audit_head').renameTo('audit_head_gone').execute()
  await t.rejects(make('one'), { code: 'AUDIT_UNAVAILABLE' })
  await database.schema.alterTable('audit_head_gone').renameTo('audit_head').execute()
  t.same(await stateOf(database), { tokens: [], events: [] })
})

/** Of a process that is dead to this test the server still has the connection. */
async function endOthers(database: Database): Promise<void> {
  const others = sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and state like 'idle in transaction%'`
  await others.execute(database)
}
