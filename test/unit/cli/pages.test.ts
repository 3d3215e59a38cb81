/** All pages are read, whatever the gateway's version knows of pages. */

import t from 'tap'
import type { Client } from '../../../src/cli/client.ts'
import { allPages } from '../../../src/cli/pages.ts'

const named = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ name: `u${String(index).padStart(5, '0')}` }))

/** A gateway with so many; `paged` false: one of before, which gives all of them. */
function gatewayWith(count: number, paged: boolean) {
  const all = named(count)
  const asked: unknown[] = []
  const get = async (_path: string, query: { limit: number; after?: string }) => {
    asked.push(query)
    const rest = all.filter(({ name }) => query.after === undefined || name > query.after)
    return { users: paged ? rest.slice(0, query.limit) : all }
  }
  return { asked, client: { get } as unknown as Client }
}

t.test('every page is asked for once, and nothing comes twice', async t => {
  for (const [count, paged, requests] of [
    [0, true, 1],
    [1, true, 1],
    [999, true, 1],
    [1000, true, 2],
    [2500, true, 3],
    [0, false, 1],
    [1000, false, 2],
    [2500, false, 1],
  ] as const) {
    const { client, asked } = gatewayWith(count, paged)
    const { users } = await allPages(client, '/v1/users', 'users')
    t.same(users, named(count), `${count}, ${paged}`)
    t.equal(asked.length, requests, `${count}, ${paged}`)
  }
})
