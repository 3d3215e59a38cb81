/** The list of sessions can be read to its end, page by page. */

import { CompiledQuery } from 'kysely'
import t from 'tap'
import { createSessionStore, type SessionQuery } from '../../../../src/session/records/session-store.ts'
import { eachStore, stopStores } from '../../../support/each-store.ts'
import { grantFor } from '../../../support/identity-parts.ts'

t.teardown(stopStores)

eachStore(
  t,
  'each page begins where the one before it ended, also between sessions of one moment',
  async (t, { open }) => {
    let now = 0
    const store = createSessionStore({ database: await open(), clock: { now: () => now }, gateway: 'gw_test' })
    for (const [id, startedAt] of [
      ['ses_c', 3000],
      ['ses_a', 1000],
      ['ses_e', 5000],
      ['ses_d', 3000],
      ['ses_b', 3000],
    ] as const) {
      now = startedAt
      await store.open(grantFor({ session: id, endsAt: 60_000 }), '192.0.2.1', `${id}.rec`, {})
    }
    const pages: string[][] = []
    for (let page = await store.list({ limit: 2 }); page.length > 0; ) {
      pages.push(page.map(({ id }) => id))
      page = await store.list({ limit: 2, before: page.at(-1)! })
    }
    t.same(pages, [['ses_e', 'ses_d'], ['ses_c', 'ses_b'], ['ses_a']])
    const ids = async (query: { since?: number; until?: number }) => (await store.list(query)).map(({ id }) => id)
    t.same(await ids({ since: 3000, until: 5000 }), ['ses_d', 'ses_c', 'ses_b'])
    t.same(await ids({ until: 1000 }), [])
  },
)

eachStore(
  t,
  'what lives is found by its state, and a page by its place, and not among all that ended',
  async (t, { open, engine }) => {
    const plain = await open()
    const statements: { sql: string; parameters: readonly unknown[] }[] = []
    const database = plain.withPlugin({
      transformQuery({ node }) {
        const { sql, parameters } = plain.getExecutor().compileQuery(node, { queryId: 'test' })
        statements.push({ sql, parameters })
        return node
      },
      transformResult: async ({ result }) => result,
    })
    let now = 0
    const store = createSessionStore({ database, clock: { now: () => now }, gateway: 'gw_test' })
    for (; now < 40; now++) {
      const id = `ses_${String(now).padStart(2, '0')}`
      await store.open(grantFor({ session: id, endsAt: 60_000 }), '192.0.2.1', `${id}.rec`, {})
      if (now !== 7) await store.end(id, { reason: 'client-closed' })
    }
    const ids = async (query: SessionQuery) => (await store.list(query)).map(({ id }) => id)
    t.same(await ids({ state: 'live' }), ['ses_07'])
    t.same((await ids({ state: 'ended' })).length, 39)
    t.same(await ids({ state: 'ended', limit: 2 }), ['ses_39', 'ses_38'])
    t.same(await ids({ limit: 2, before: { id: 'ses_03', started_at: 3 } }), ['ses_02', 'ses_01'])
    t.same(
      (await store.orphans(new Set(['gw_other']))).map(({ id }) => id),
      ['ses_07'],
    )
    if (engine === 'postgres') return
    const plans: string[] = []
    for (const { sql: text, parameters } of statements.filter(({ sql }) => sql.startsWith('select'))) {
      const rows = await plain.executeQuery<{ detail: string }>(
        CompiledQuery.raw(`explain query plan ${text}`, [...parameters]),
      )
      plans.push(rows.rows.map(({ detail }) => detail).join('; '))
    }
    const [live, ended, , page, orphans] = plans
    t.match(live, /sessions_by_state \(state=\?\)/)
    t.match(ended, /SCAN sessions USING INDEX sessions_by_start/)
    t.match(page, /sessions_by_start \(started_at<\?\)/)
    t.match(orphans, /sessions_by_state \(state=\?\)/)
  },
)
