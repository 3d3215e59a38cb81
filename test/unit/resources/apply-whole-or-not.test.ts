/** An apply whose process dies at any statement has changed everything that it was asked for, with its audit event, or nothing. */

import { sql } from 'kysely'
import t from 'tap'
import { createAuditLog } from '../../../src/audit/audit-log.ts'
import { applyResources, carryOut, propose } from '../../../src/resources/apply.ts'
import { openStores } from '../../../src/resources/stores.ts'
import { Crash, openCrashing } from '../../support/crashing-database.ts'
import { eachStore, stopStores } from '../../support/each-store.ts'
import { testSigner } from '../../support/test-signer.ts'

t.teardown(stopStores)

/** Every step where it is run by hand for the whole of it; some of them in the suite. */
const STRIDE = Number(process.env.SALLYPORT_KILL_STRIDE ?? 5)

const clock = { now: () => 1_800_000_000_000 }
const connectors = new Map<string, never>()
const before = [{ name: 'before.yaml', text: '{ kind: user, name: old, roles: [] }' }]
// More than one statement for the users.
const users = Array.from({ length: 501 }, (_, index) => `- { kind: user, name: user-${index}, roles: [dev] }`)
const files = [{ name: 'f.yaml', text: `- { kind: role, name: dev, targets: {}, accounts: {} }\n${users.join('\n')}` }]

eachStore(t, 'killed at any statement, all of an apply is there, or nothing', async (t, { open, url, engine }) => {
  const database = await open()
  const signer = testSigner()
  const stores = openStores({ database, clock })
  const names = async () => (await stores.user.list()).map(({ name }) => name)
  let over = false
  let at = 1
  for (; !over; at += STRIDE) {
    await applyResources(before, { database, clock, connectors }, { prune: true })
    const events = (await createAuditLog({ database, signer, gateway: 'gw_one', clock }).list()).length
    const crash = new Crash(at)
    const dying = openCrashing(url, crash)
    const parts = { database: dying, clock, connectors }
    const audit = createAuditLog({ database: dying, signer, gateway: 'gw_one', clock })
    const proposal = await propose(files, parts, { prune: true })
    crash.armed = true
    const done = carryOut(proposal, parts, {
      prune: true,
      change: write => audit.change(write, () => ({ kind: 'resources.applied', actor: 'owner', data: {} })),
    })
    over = (await Promise.race([crash.dead, done.then(() => 'over')])) === 'over'
    // What died lets go of the store: its connections are closed by the system.
    if (over || engine === 'sqlite') await dying.destroy()
    else
      await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'`.execute(
        database,
      )
    const log = createAuditLog({ database, signer, gateway: 'gw_one', clock })
    const told = (await log.list()).length - events
    const now = await names()
    const whole = now.length === 501 && !now.includes('old') && (await stores.role.get('dev')) !== undefined
    t.ok(whole ? told === 1 : now.join() === 'old' && told === 0, `step ${at}: ${now.length} users, ${told} events`)
    t.match(await log.verify(), { ok: true })
  }
  t.ok(at > 15, `${at} steps`)
})
