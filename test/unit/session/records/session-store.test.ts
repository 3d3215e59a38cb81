/** The list of sessions can be read to its end, page by page. */

import t from 'tap'
import { createSessionStore } from '../../../../src/session/records/session-store.ts'
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
