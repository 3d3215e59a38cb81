/** How long it takes to see who has which account, where 100,000 accounts are checked out and as many were. */

import { createOwnCheckOuts } from '../src/check-out/own-check-outs.ts'
import type { Database } from '../src/database/database.ts'
import type { CheckOutTable } from '../src/database/schema.ts'
import { targetSchema } from '../src/targets/target.ts'
import { createCheckOutWorld } from '../test/support/check-out-parts.ts'

const COUNT = 100_000
const AT_ONCE = 500
const DAY = 24 * 3_600_000
const ROUNDS = 5

/** The medians, in seconds: a page of everybody's, and what a person sees of their own and of what others have. */
export async function checkOutListSeconds(database: Database): Promise<{ everybodys: number; own: number }> {
  const world = await createCheckOutWorld(database, {
    role: { targets: { labels: { env: 'bench' } }, checkOut: { seeHolder: true } },
  })
  await fill(database, world)
  const own = createOwnCheckOuts({
    checkOuts: world.checkOuts,
    reveal: () => Promise.reject(new Error('nothing is shown here')),
    person: async () => world.as('alice'),
    proveCode: async () => false,
  })
  return {
    everybodys: await median(async () => {
      const page = await world.checkOuts.list({ state: 'open', limit: 1000 })
      if (page.length < 1000) throw new Error(`a page has ${page.length} check-outs`)
    }),
    own: await median(async () => {
      const { checkOuts, taken } = await own.list()
      if (checkOuts.length < 100 || taken.length < 100) throw new Error(`${checkOuts.length}, ${taken.length} taken`)
    }),
  }
}

async function median(act: () => Promise<void>): Promise<number> {
  const times: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const began = performance.now()
    await act()
    times.push((performance.now() - began) / 1000)
  }
  return times.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)]!
}

/** Each account of as many targets was checked out yesterday, and is now; every hundredth by alice. */
async function fill(
  database: Database,
  { targets, clock }: Awaited<ReturnType<typeof createCheckOutWorld>>,
): Promise<void> {
  const now = clock.now()
  const like = targetSchema.parse({
    ...{ name: 'x', protocol: 'ssh', host: '192.0.2.1', labels: { env: 'bench' } },
    accounts: [{ name: 'root', checkOut: {} }],
  })
  for (let from = 0; from < COUNT; from += AT_ONCE) {
    const numbers = Array.from({ length: AT_ONCE }, (_, index) => from + index)
    await targets.putAll(numbers.map(number => ({ ...like, name: nameOf(number), host: `${nameOf(number)}.example` })))
    const rows = numbers.flatMap(number => [rowOf(number, now - DAY, true), rowOf(number, now - number, false)])
    await database.insertInto('check_outs').values(rows).execute()
  }
}

function rowOf(number: number, startedAt: number, ended: boolean): CheckOutTable {
  const until = startedAt + DAY / 2
  return {
    ...{ id: `cho_${ended ? 'e' : 'o'}${number}`, user: number % 100 === 0 ? 'alice' : `user-${number % 1000}` },
    ...{ account: 'root', target: nameOf(number), exclusive: 1, way: 'inject', open_sessions: 'refuse' },
    ...{
      reason: 'INC-4711',
      ticket: null,
      request: null,
      source: '192.0.2.7',
      proven: 'publickey',
      gateway: 'gw_bench',
    },
    ...{ started_at: startedAt, until: ended ? until : startedAt + DAY, revealed_at: null },
    ...(ended
      ? { ended_at: until, end_reason: 'returned', ended_by: 'alice' }
      : { ended_at: null, end_reason: null, ended_by: null }),
  }
}

function nameOf(number: number): string {
  return `host-${String(number).padStart(6, '0')}`
}
