import fc from 'fast-check'
import t from 'tap'
import { openDatabase } from '../../../src/database/database.ts'
import type { Job } from '../../../src/schedule/job.ts'
import { pauseAfter } from '../../../src/schedule/job.ts'
import { createJobRows } from '../../../src/schedule/job-rows.ts'

const START = 1_800_000_000_000
const CLAIM_MS = 1000

async function open() {
  const database = await openDatabase('sqlite::memory:')
  const clock = { time: START, now: () => clock.time }
  return { database, clock, rows: createJobRows({ database, clock }) }
}

t.test('of several times for one kind and key the earliest counts, unless the last one replaces it', async t => {
  const { database, rows } = await open()
  t.teardown(() => database.destroy())
  const due = async () => (await rows.list({})).map(({ dueAt, payload }) => [dueAt - START, payload])
  await rows.plan({ kind: 'rotate', key: 'root@web', dueAt: START + 50, payload: { n: 1 } })
  await rows.plan({ kind: 'rotate', key: 'root@web', dueAt: START + 90, payload: { n: 2 } })
  t.same(await due(), [[50, { n: 1 }]])
  await rows.plan({ kind: 'rotate', key: 'root@web', dueAt: START + 10, payload: { n: 3 } })
  t.same(await due(), [[10, { n: 3 }]])
  await rows.plan({ kind: 'rotate', key: 'root@web', dueAt: START + 70, payload: { n: 4 }, replace: true })
  t.same(await due(), [[70, { n: 4 }]])
  await rows.plan({ kind: 'verify', key: 'root@web', dueAt: START + 5 })
  t.equal((await rows.list({})).length, 2, 'another kind is another job')
})

t.test('what is planned in a transaction is there if that is committed', async t => {
  const { database, rows } = await open()
  t.teardown(() => database.destroy())
  const plan = (fails: boolean) =>
    database.transaction().execute(async on => {
      await rows.plan({ kind: 'rotate', key: 'root@web', dueAt: START }, on)
      if (fails) throw new Error('no')
    })
  await t.rejects(plan(true), /no/)
  t.same(await rows.list({}), [])
  await plan(false)
  t.equal((await rows.list({})).length, 1)
})

t.test('one that is planned while it runs comes again, also where it fails', async t => {
  const { database, clock, rows } = await open()
  t.teardown(() => database.destroy())
  const job = { kind: 'rotate', key: 'root@web', dueAt: START, payload: { trigger: 'interval' } }
  await rows.plan(job)
  const [first] = await rows.claim('rotate', 5, 'a#1', CLAIM_MS)
  await rows.plan({ ...job, payload: { trigger: 'check-in' } })
  t.same(await rows.claim('rotate', 5, 'b#1', CLAIM_MS), [], 'not beside the one that runs')
  await rows.finish(first!, 'a#1')
  const [second] = await rows.claim('rotate', 5, 'b#2', CLAIM_MS)
  t.same(second?.payload, { trigger: 'check-in' })
  await rows.plan({ ...job, payload: { trigger: 'leak' } })
  await rows.fail(second!, 'b#2', 'it did not work', clock.now() + 60_000)
  const [third] = await rows.claim('rotate', 5, 'b#3', CLAIM_MS)
  t.same(third?.payload, { trigger: 'leak' })
  t.equal(third?.lastError, 'it did not work')
  await rows.finish(third!, 'b#3')
  t.same(await rows.list({}), [])
})

t.test('whoever lost the claim changes nothing', async t => {
  const { database, clock, rows } = await open()
  t.teardown(() => database.destroy())
  await rows.plan({ kind: 'rotate', key: 'root@web', dueAt: START })
  const [job] = await rows.claim('rotate', 1, 'a#1', CLAIM_MS)
  clock.time += CLAIM_MS
  t.equal((await rows.claim('rotate', 1, 'b#1', CLAIM_MS)).length, 1)
  await rows.finish(job!, 'a#1')
  await rows.fail(job!, 'a#1', 'words', START + 99_999)
  t.equal(await rows.giveUp(job!, 'a#1', 'words', database), false)
  await rows.release(job!, 'a#1')
  t.same(await rows.renew(['a#1'], CLAIM_MS), new Set())
  const [now] = await rows.list({})
  t.match(now, { state: 'running', gateway: 'b', attempts: 0, lastError: undefined })
})

t.test('what has begun is not cancelled, but does not come again', async t => {
  const { database, rows } = await open()
  t.teardown(() => database.destroy())
  const plan = () => rows.plan({ kind: 'rotate', key: 'root@web', dueAt: START })
  await plan()
  await rows.cancel('rotate', 'root@web')
  t.same(await rows.list({}), [])
  await plan()
  const [job] = await rows.claim('rotate', 1, 'a#1', CLAIM_MS)
  await plan()
  await rows.cancel('rotate', 'root@web')
  t.same(await rows.renew(['a#1'], CLAIM_MS), new Set([job!.id]))
  await rows.finish(job!, 'a#1')
  t.same(await rows.list({}), [])
})

t.test('one that was given up waits for somebody, and says why', async t => {
  const { database, rows } = await open()
  t.teardown(() => database.destroy())
  const giveUp = async (claim: string) => {
    const [job] = await rows.claim('rotate', 1, claim, CLAIM_MS)
    t.equal(await rows.giveUp(job!, claim, 'no sense in it', database), true)
    return job!
  }
  await rows.plan({ kind: 'rotate', key: 'root@web', dueAt: START })
  const job = await giveUp('a#1')
  t.same(await rows.claim('rotate', 1, 'a#2', CLAIM_MS), [])
  t.equal(await rows.nextDue(['rotate']), undefined)
  t.match(await rows.list({ state: 'given-up' }), [{ state: 'given-up', lastError: 'no sense in it', attempts: 1 }])
  t.same(await rows.counts(['rotate']), new Map([['rotate', { due: 0, failed: 0, 'given-up': 1 }]]))
  t.equal(await rows.retry(job.id), true)
  await giveUp('a#3')
  await rows.plan({ kind: 'rotate', key: 'root@web', dueAt: START + 5 })
  t.match(await rows.list({}), [{ state: 'waiting', attempts: 0, lastError: undefined, dueAt: START + 5 }])
})

t.test('they are taken in the order of their times, so many at once', async t => {
  const { database, rows } = await open()
  t.teardown(() => database.destroy())
  for (const n of [3, 1, 2, 5, 4]) await rows.plan({ kind: 'rotate', key: `a${n}@web`, dueAt: START - 100 + n })
  t.same(
    (await rows.claim('rotate', 3, 'a#1', CLAIM_MS)).map(({ key }) => key),
    ['a1@web', 'a2@web', 'a3@web'],
  )
  t.same(
    (await rows.claim('rotate', 9, 'b#1', CLAIM_MS)).map(({ key }) => key),
    ['a4@web', 'a5@web'],
  )
})

t.test('what is urgent comes before what was due earlier, also where that was planned already', async t => {
  const { database, clock, rows } = await open()
  t.teardown(() => database.destroy())
  const plan = (key: string, dueAt: number, urgent = false) =>
    rows.plan({ kind: 'rotate', key, dueAt, urgent, payload: { urgent } })
  for (const [index, key] of ['a', 'b', 'c', 'd'].entries()) await plan(key, START - 500 + index)
  await plan('c', START - 10, true)
  await plan('z', START + 10, true)
  await plan('d', START - 900)
  const taken = async (atMost: number) => (await rows.claim('rotate', atMost, 'gw#1', CLAIM_MS)).map(({ key }) => key)
  t.same(await taken(2), ['c', 'd'])
  clock.time += 20
  t.same(await taken(2), ['z', 'a'])
  const [running] = await rows.list({ key: 'c' })
  t.same(running?.payload, { urgent: true })
  await plan('c', START + 500)
  await rows.finish(running!, 'gw#1')
  clock.time += 500
  t.same(await taken(2), ['b', 'c'], 'its next time is not urgent')
})

t.test('a list by state is what each one says of itself', async t => {
  const { database, clock, rows } = await open()
  t.teardown(() => database.destroy())
  for (const key of ['failed', 'given-up', 'running']) await rows.plan({ kind: key, key, dueAt: START })
  const [failed] = await rows.claim('failed', 1, 'a#1', CLAIM_MS)
  await rows.fail(failed!, 'a#1', 'words', START + 5)
  const [givenUp] = await rows.claim('given-up', 1, 'a#2', CLAIM_MS)
  await rows.giveUp(givenUp!, 'a#2', 'words', database)
  await rows.claim('running', 1, 'a#3', CLAIM_MS)
  await rows.plan({ kind: 'due', key: 'due', dueAt: START })
  await rows.plan({ kind: 'waiting', key: 'waiting', dueAt: START + 5000 })
  for (const state of ['failed', 'given-up', 'running', 'due', 'waiting'] as const) {
    t.match(await rows.list({ state }), [{ key: state, state }], state)
  }
  clock.time += CLAIM_MS
  t.match(await rows.list({ key: 'running' }), [{ state: 'due' }], 'whoever had it did not renew')
  t.same((await rows.list({ dueBy: START })).map(({ key }) => key).sort(), ['due', 'given-up', 'running'])
})

t.test('the pause grows, and has an end', async t => {
  for (const attempts of [1, 2, 3, 8, 15, 1000]) {
    const [least, most] = [pauseAfter(attempts, 5000, 0), pauseAfter(attempts, 5000, 0.999)]
    const middle = Math.min(5000 * 2 ** (attempts - 1), 3_600_000)
    t.equal(least, 0.75 * middle)
    t.ok(most > middle && most < 1.25 * middle)
  }
})

/** What may happen, in any order, to three gateways on one store. */
const step = fc.oneof(
  fc.record({ act: fc.constant('plan' as const), key: fc.nat(3), inMs: fc.integer({ min: -500, max: 2000 }) }),
  fc.record({ act: fc.constant('claim' as const), gateway: fc.nat(2), atMost: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ act: fc.constantFrom('renew' as const, 'die' as const), gateway: fc.nat(2) }),
  fc.record({ act: fc.constantFrom('finish' as const, 'fail' as const), gateway: fc.nat(2), which: fc.nat(3) }),
  fc.record({ act: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 1500 }) }),
)

t.test('whatever happens: a job has one gateway at a time, and what was planned is done', async t => {
  const { database, clock, rows } = await open()
  t.teardown(() => database.destroy())
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async steps => {
      await database.deleteFrom('jobs').execute()
      clock.time = START
      let claims = 0
      /** What each gateway believes to have, until when. */
      const held: Map<string, { job: Job; claim: string; until: number }>[] = [new Map(), new Map(), new Map()]
      /** Planned and not done since: which must be in the store. */
      const owed = new Map<string, number>()
      let ticks = 0

      const claim = async (gateway: number, atMost: number) => {
        const name = `g${gateway}#${claims++}`
        for (const job of await rows.claim('k', atMost, name, CLAIM_MS)) {
          for (const other of held) {
            const theirs = other.get(job.id)
            if (theirs !== undefined && theirs.until > clock.now()) throw new Error('two gateways have one job')
          }
          if (job.dueAt > clock.now()) throw new Error('too early')
          held[gateway]!.set(job.id, { job, claim: name, until: clock.now() + CLAIM_MS })
        }
      }
      const began = new Map<string, number>()
      for (const each of steps) {
        ticks++
        switch (each.act) {
          case 'plan':
            await rows.plan({ kind: 'k', key: `${each.key}`, dueAt: clock.now() + each.inMs })
            owed.set(`${each.key}`, ticks)
            break
          case 'claim': {
            await claim(each.gateway, each.atMost)
            for (const { job, claim } of held[each.gateway]!.values()) {
              if (!began.has(claim + job.id)) began.set(claim + job.id, ticks)
            }
            break
          }
          case 'renew': {
            const mine = held[each.gateway]!
            if (mine.size === 0) break
            const ours = await rows.renew(
              [...mine.values()].map(({ claim }) => claim),
              CLAIM_MS,
            )
            for (const [id, one] of mine) {
              if (ours.has(id)) one.until = clock.now() + CLAIM_MS
              else mine.delete(id)
            }
            break
          }
          case 'die':
            held[each.gateway]!.clear()
            break
          case 'finish':
          case 'fail': {
            const mine = [...held[each.gateway]!.entries()][each.which]
            if (mine === undefined) break
            const [id, { job, claim }] = mine
            held[each.gateway]!.delete(id)
            const theirs = (await rows.renew([claim], CLAIM_MS)).has(id)
            if (each.act === 'fail') await rows.fail(job, claim, 'words', clock.now() + 100)
            else await rows.finish(job, claim)
            // Done, if nobody planned it again after it had begun.
            if (theirs && each.act === 'finish' && (owed.get(job.key) ?? 0) < began.get(claim + id)!) {
              owed.delete(job.key)
            }
            break
          }
          case 'pass':
            clock.time += each.ms
            break
        }
      }
      // All others are dead; one goes on, and does all that is owed.
      clock.time += 10_000
      for (const one of held) one.clear()
      for (let round = 0; round < 3; round++) {
        await claim(0, 100)
        for (const [id, { job, claim: name }] of held[0]!) {
          owed.delete(job.key)
          held[0]!.delete(id)
          await rows.finish(job, name)
        }
        clock.time += 10_000
      }
      if (owed.size > 0) throw new Error(`lost: ${[...owed.keys()]}`)
      if ((await rows.list({})).length > 0) throw new Error('a job is left')
    }),
    { numRuns: 150 },
  )
})
