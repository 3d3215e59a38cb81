/** Many requests at once: as many questions to the store as of few, in pages, and no two that wait for each other. */

import { sql } from 'kysely'
import t from 'tap'
import { createOwnRequests } from '../../../src/access-requests/own-requests.ts'
import { type Database, openDatabase } from '../../../src/database/database.ts'
import { requests as listed } from '../../../src/self-service/commands/requests.ts'
import { createOutput } from '../../../src/self-service/output.ts'
import { eachStore, postgresDatabase, stopStores } from '../../support/each-store.ts'
import { role, target } from '../../support/policy-facts.ts'
import { createRequestWorld, OFFER } from '../../support/request-parts.ts'

t.teardown(stopStores)

/** Counts what the store is asked, and how many rows it gives. */
function counting(database: Database) {
  let [count, rows] = [0, 0]
  const counted = database.withPlugin({
    transformQuery({ node }) {
      count++
      return node
    },
    async transformResult({ result }) {
      rows += result.rows.length
      return result
    },
  })
  return {
    database: counted,
    async during(work: () => Promise<unknown>) {
      const before = count
      await work()
      return count - before
    },
    async rowsDuring(work: () => Promise<unknown>) {
      const before = rows
      await work()
      return rows - before
    },
  }
}

const names = (count: number) => Array.from({ length: count }, (_, index) => `user-${String(index).padStart(3, '0')}`)

eachStore(
  t,
  'what waits for one person costs no more questions to the store with many than with one',
  async (t, store) => {
    const { database, during } = counting(await store.open())
    const { requests, ask, user } = await createRequestWorld(database)
    await ask('alice')
    const few = await during(() => requests.toDecide('lee', { limit: 100 }))
    for (const name of names(30)) {
      await user(name, ['ops'])
      await ask(name)
    }
    t.equal(await during(() => requests.toDecide('lee', { limit: 100 })), few)
    t.equal((await requests.toDecide('lee', { limit: 100 })).length, 31)
  },
)

eachStore(t, 'a change of one role reads no open requests of others while approvals wait for it', async (t, store) => {
  const { database, rowsDuring } = counting(await store.open())
  const { ask, apply, roles, requests } = await createRequestWorld(database)
  await roles.put(role({ name: 'other', accounts: { names: ['www'] }, onRequest: [OFFER] }))
  const change = (description: string) =>
    rowsDuring(() => apply([{ kind: 'role', name: 'other', description, targets: {}, accounts: { names: ['www'] } }]))
  await change('as it is')
  const few = await change('a little')
  for (let index = 0; index < 30; index++) await ask('alice')
  t.equal(await change('a little more'), few)
  t.equal((await requests.rows.list({ states: ['pending'], limit: 100 })).length, 30)
})

eachStore(t, 'lists of requests come in pages, each request once, also while some are decided', async (t, store) => {
  const { requests, ask, as, clock, users, sessions } = await createRequestWorld(await store.open())
  const own = (name: string) =>
    createOwnRequests({
      proposalOf: async () => undefined,
      ...{ requests, sessions, users, proveCode: async () => false, takeCode: () => false },
      person: async () => as(name),
    })
  const asked: string[] = []
  for (let index = 0; index < 12; index++) {
    asked.push((await ask(index % 3 === 0 ? 'bob' : 'alice')).id)
    // Several within one millisecond, too.
    if (index % 4 === 3) clock.move(1)
  }
  const pages = async (name: string, view: 'mine' | 'to-decide', each = async (_id: string) => {}) => {
    const seen: string[] = []
    for (let before: string | undefined; ; ) {
      const page = (await own(name).list(view, { before, limit: 5 })).map(({ id }) => id)
      seen.push(...page)
      if (page.length < 5) return seen
      before = page.at(-1)
      await each(before!)
    }
  }
  const all = await requests.rows.list({ limit: 100 })
  const newest = all.map(({ id }) => id)
  t.same(new Set(newest), new Set(asked))
  const ofAlice = all.filter(({ user }) => user === 'alice').map(({ id }) => id)
  t.strictSame(await pages('alice', 'mine'), ofAlice, 'the newest first')
  t.strictSame(await pages('lee', 'to-decide'), newest.toReversed(), 'the oldest first')
  const decided = await pages('lee', 'to-decide', async id => void (await requests.deny(as('lee'), id, 'no')))
  t.strictSame(decided, newest.toReversed(), 'a page goes on behind one that is decided by then')
  t.strictSame(
    (await own('alice').list('mine', { state: 'denied', limit: 100 })).every(one => one.state === 'denied'),
    true,
  )
  t.strictSame(await own('lee').list('to-decide', { state: 'denied', limit: 100 }), [])
})

eachStore(
  t,
  'two who approve each other many times at once are told yes or no, and only one of them owes',
  async (t, store) => {
    const { requests, ask, as, user, offers } = await createRequestWorld(await store.open())
    const people = ['ann', 'ben'] as const
    await offers({ ...OFFER, approvers: people.map(name => `user:${name}`) })
    for (const name of people) await user(name, ['ops'])
    const asked: { id: string; by: string }[] = []
    for (let index = 0; index < 24; index++) {
      const other = people[index % 2 === 0 ? 1 : 0]
      const { id } = await ask(people[index % 2]!)
      asked.push({ id, by: other })
    }
    const answers = await Promise.all(
      asked.map(({ id, by }) =>
        requests.approve(as(by, ['ops']), id, {}).then(
          () => 'approved',
          error => error.code as string,
        ),
      ),
    )
    const approvers = new Set(asked.filter((_, index) => answers[index] === 'approved').map(({ by }) => by))
    t.equal(approvers.size, 1, `one of them: ${answers}`)
    t.strictSame(
      answers.filter(one => one !== 'approved' && one !== 'CONFLICT' && one !== 'FORBIDDEN'),
      [],
    )
  },
)

eachStore(
  t,
  'of a thousand requests by one user, a hundred at an instant, so many are open as may be',
  async (t, store) => {
    const { requests, ask, users, clock } = await createRequestWorld(await store.open())
    const refused: string[] = []
    for (let round = 0; round < 10; round++) {
      const asked = await Promise.allSettled(Array.from({ length: 100 }, () => ask('alice')))
      refused.push(...asked.flatMap(one => (one.status === 'rejected' ? one.reason.code : [])))
    }
    t.equal((await requests.rows.list({ user: 'alice', limit: 2000 })).length, 50)
    t.strictSame(new Set(refused), new Set(['CONFLICT']))
    t.equal(refused.length, 950)
    clock.move(1)
    await users.put({ ...(await users.get('alice'))!, disabled: true })
    await requests.review()
    t.strictSame(await requests.rows.list({ states: ['pending'], limit: 2000 }), [])
  },
)

eachStore(
  t,
  'many that end for one reason end in few transactions, each with one event, and one that cannot keeps no other open',
  async (t, store) => {
    let transactions = 0
    const database = await store.open()
    const world = await createRequestWorld(database, { beforeStored: async () => void transactions++ })
    const { requests, ask, as, user, apply, clock, events, ended } = world
    const asked: string[] = []
    for (const name of names(120)) {
      await user(name, ['ops'])
      asked.push((await ask(name)).id)
    }
    // Some that give something by now: what rests on them ends too.
    const given = asked.slice(0, 3)
    for (const id of given) await requests.approve(as('lee'), id, {})
    const stuck = asked[70]!
    const forget = requests.onTransition(({ request }) => {
      if (request.id === stuck) throw new Error('not now')
    })
    await apply([{ kind: 'role', name: 'ops', targets: {}, accounts: { names: ['www'] } }])
    transactions = 0
    await t.rejects(requests.review(), /not now/)
    t.ok(
      transactions < 60,
      `${transactions} transactions: two of many, and one by one those beside the one that cannot`,
    )
    t.strictSame(
      (await requests.rows.list({ states: ['pending', 'active'], limit: 200 })).map(({ id }) => id),
      [stuck],
    )
    t.strictSame(ended.toSorted(), asked.filter(id => id !== stuck).toSorted())
    forget()
    clock.move(1)
    transactions = 0
    await requests.review()
    t.equal(transactions, 1)
    const revoked = (await events()).filter(({ kind }) => kind === 'access-request.revoked')
    const told = [...revoked, ...(await events()).filter(({ kind }) => kind === 'access-request.ended')]
    t.strictSame(told.map(({ data }) => data.request).toSorted(), asked.toSorted(), 'one event each')
    t.equal((await requests.rows.get(given[0]!))?.state.is, 'revoked')
    t.strictSame(await requests.rows.list({ states: ['pending', 'active'], limit: 200 }), [])
  },
)

t.test(
  'sessions that begin by one request do not wait for each other, and whoever ends it waits for them (PostgreSQL)',
  async t => {
    const database = await openDatabase(await postgresDatabase())
    t.teardown(() => database.destroy())
    const { requests, ask, as, use, stateOf } = await createRequestWorld(database)
    const { id } = await ask('alice')
    await requests.approve(as('lee'), id, {})
    const { slow, lent } = await lentSlowly(database, requests, id)
    await Promise.all(Array.from({ length: 5 }, () => use(id)))
    const revoked = requests.revoke(id, 'carol', undefined)
    await untilWaiting(database)
    t.not((await stateOf(id))?.is, 'revoked')
    slow.resolve()
    await Promise.all([lent, revoked])
    t.equal((await stateOf(id))?.is, 'revoked')
    await t.rejects(use(id), { code: 'ACCESS_DENIED' })
  },
)

t.test('whoever ends a request is not overtaken by sessions that begin by it afterwards (PostgreSQL)', async t => {
  const database = await openDatabase(await postgresDatabase())
  t.teardown(() => database.destroy())
  const { requests, targets, ask, as, use, apply, stateOf } = await createRequestWorld(database)
  const onWeb = { names: ['web-01'] }
  const ops = { kind: 'role', name: 'ops', targets: onWeb, accounts: { names: ['www'] }, onRequest: [OFFER] }
  await apply([ops])
  const others = { ...ops, onRequest: [{ ...OFFER, accounts: { names: ['other'] } }] }
  const ways: Record<string, (id: string) => Promise<unknown>> = {
    'it is revoked': id => requests.revoke(id, 'carol', undefined),
    'its role offers it no more': () => apply([others]),
    'its target is removed': () => apply([], [{ kind: 'target', name: 'web-01' }]),
    'its user is removed': () => apply([], [{ kind: 'user', name: 'alice' }]),
  }
  for (const [why, end] of Object.entries(ways)) {
    const { id } = await ask('alice')
    await requests.approve(as('lee'), id, {})
    const { slow, lent } = await lentSlowly(database, requests, id)
    const ended = end(id)
    await untilWaiting(database)
    const late = use(id).then(
      () => 'lent',
      error => error.code as string,
    )
    await Promise.race([late, untilWaiting(database, 2)])
    slow.resolve()
    await Promise.all([lent, ended])
    t.equal(await late, 'ACCESS_DENIED', why)
    await requests.review()
    t.equal((await stateOf(id))?.is, 'revoked')
    await targets.put(target())
    await apply([ops])
  }
})

/** A session that has begun by the request, in a transaction that goes on until `slow` is resolved. */
async function lentSlowly(
  database: Database,
  requests: Awaited<ReturnType<typeof createRequestWorld>>['requests'],
  id: string,
) {
  const held = Promise.withResolvers<void>()
  const slow = Promise.withResolvers<void>()
  const lent = database.transaction().execute(async on => {
    await requests.use(id, on, () => undefined)
    held.resolve()
    await slow.promise
  })
  await held.promise
  return { slow, lent }
}

/** So many wait for locks that others have. */
async function untilWaiting(database: Database, count = 1): Promise<void> {
  for (;;) {
    const { rows } =
      await sql`select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`.execute(
        database,
      )
    if (rows.length >= count) return
  }
}

eachStore(t, 'of many first uses at once one begins the time', async (t, store) => {
  const { requests, ask, as, offers, use, events, stateOf } = await createRequestWorld(await store.open())
  await offers({ ...OFFER, clock: 'first-use', validFor: '8h' })
  const { id } = await ask('alice')
  await requests.approve(as('lee'), id, {})
  await Promise.all(Array.from({ length: 20 }, () => use(id)))
  t.equal((await events()).filter(({ kind }) => kind === 'access-request.began').length, 1)
  t.equal((await stateOf(id))?.is, 'active')
})

t.test('a list of requests by ssh that is not whole says so, and goes on where it is told', async t => {
  const database = await openDatabase('sqlite::memory:')
  t.teardown(() => database.destroy())
  const { requests, ask, as, user, users, sessions, clock } = await createRequestWorld(database)
  const own = createOwnRequests({
    proposalOf: async () => undefined,
    ...{ requests, sessions, users, proveCode: async () => false, takeCode: () => false },
    person: async () => as('lee'),
  })
  const run = async (words: string[], options = {}) => {
    let text = ''
    const write = async (some: string) => {
      text += some
    }
    const out = createOutput({ json: false, width: undefined, write, note: write })
    await listed.run({ parts: { requestsOf: () => own }, login: {}, words, options, out } as never)
    return text
  }
  for (const name of names(101)) {
    await user(name, ['ops'])
    await ask(name)
    clock.move(1)
  }
  const first = await run([])
  const [, view, last] = /There may be more: requests (\S+) --after (req_\S+)/.exec(first)!
  t.equal(view, 'to-decide')
  t.notMatch(first, /user-100/)
  const rest = await run([view!], { after: last })
  t.match(rest, /user-100/)
  t.notMatch(rest, /There may be more|user-099/)
  await t.rejects(run([], { after: last }), /which list/)
  await t.rejects(run(['mine'], { after: 'x' }), /id of a request/)
})
