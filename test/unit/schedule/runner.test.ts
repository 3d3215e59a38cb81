import t, { type Test } from 'tap'
import { openDatabase } from '../../../src/database/database.ts'
import { type Job, JobFailed, type JobHandler, JobRefused } from '../../../src/schedule/job.ts'
import { createScheduleRunner } from '../../../src/schedule/runner.ts'
import { createSchedule } from '../../../src/schedule/schedule.ts'
import { GatewayError } from '../../../src/shared/errors.ts'
import { createLog } from '../../../src/shared/log.ts'
import { createMetrics } from '../../../src/shared/metrics.ts'

const START = 1_800_000_000_000

/** A store with one gateway on it; its clock stands until it is moved. */
async function prepare(t: Test, handlers: Record<string, JobHandler>, options: { claimMs?: number } = {}) {
  const database = await openDatabase('sqlite::memory:')
  const clock = { wall: START, steady: 0, now: () => clock.wall, monotonic: () => clock.steady }
  const schedule = createSchedule({ database, clock })
  const metrics = createMetrics()
  const givenUp: { job: Job; words: string }[] = []
  const runnerOf = (gateway: string, alone = false) =>
    createScheduleRunner({
      ...{ schedule, handlers, gateway, alone, clock, metrics, log: createLog('silent'), ...options },
      async giveUp(job, words, write) {
        givenUp.push({ job, words })
        return database.transaction().execute(write)
      },
    })
  const runner = runnerOf('gw_a')
  // The runner's own timers keep no process alive.
  const alive = setInterval(() => undefined, 60_000)
  t.teardown(async () => {
    clearInterval(alive)
    await runner.close()
    await database.destroy()
  })
  const metric = async (name: string) => metrics.registry.getSingleMetricAsString(name)
  return { database, clock, schedule, runner, runnerOf, givenUp, metric }
}

/** A handler whose jobs go on until they are told to end. */
function heldJobs(limit: number, more: Partial<JobHandler> = {}) {
  const begun: { key: string; signal: AbortSignal; end: PromiseWithResolvers<{ again: number } | undefined> }[] = []
  let changed = Promise.withResolvers<void>()
  const handler: JobHandler = {
    limit,
    ...more,
    run(job, signal) {
      const end = Promise.withResolvers<{ again: number } | undefined>()
      signal.addEventListener('abort', () => end.reject(new Error('told to stop')))
      begun.push({ key: job.key, signal, end })
      changed.resolve()
      changed = Promise.withResolvers()
      return end.promise
    },
  }
  return {
    handler,
    begun,
    async until(count: number): Promise<void> {
      while (begun.length < count) await changed.promise
    },
  }
}

t.test('of many that are due at once so many run as may, in the order of their times', async t => {
  const held = heldJobs(2)
  const { clock, schedule, runner } = await prepare(t, { held: held.handler })
  for (const n of [4, 2, 5, 1, 3]) await schedule.plan({ kind: 'held', key: `${n}`, dueAt: START + n })
  clock.wall += 10
  await runner.look()
  await runner.look()
  t.same(
    held.begun.map(({ key }) => key),
    ['1', '2'],
  )
  held.begun[0]!.end.resolve(undefined)
  await held.until(3)
  t.equal(held.begun[2]!.key, '3')
})

t.test('with a pace, jobs begin one after the other however many there are', async t => {
  const held = heldJobs(50, { paceMs: 1000 })
  const { clock, schedule, runner } = await prepare(t, { held: held.handler })
  for (let n = 0; n < 20; n++) await schedule.plan({ kind: 'held', key: `${n}`, dueAt: START })
  await runner.look()
  await runner.look()
  t.equal(held.begun.length, 1)
  clock.steady += 1500
  await runner.look()
  await runner.look()
  t.equal(held.begun.length, 2)
})

t.test('one that fails comes again after a pause, and says why in our own words', async t => {
  const thrown: unknown[] = [
    new GatewayError('TARGET_UNREACHABLE', 'web-01 does not answer.\u001b[2J'),
    new Error('hunter2'),
    new JobFailed('busy', { retryAfterMs: 600_000 }),
    new JobFailed('busy', { retryAfterMs: 1e12 }),
  ]
  const { clock, schedule, runner, metric } = await prepare(t, {
    k: {
      limit: 1,
      async run() {
        throw thrown.shift()
      },
    },
  })
  await schedule.plan({ kind: 'k', key: 'web', dueAt: START })
  const failed = async (attempts: number) => {
    for (;;) {
      const [job] = await schedule.list()
      if (job!.attempts === attempts && job!.state !== 'running') return job!
      await runner.look()
    }
  }
  const first = await failed(1)
  t.match(first, { state: 'failed', lastError: 'web-01 does not answer.\\e[2J', failedAt: START })
  t.ok(first.dueAt >= START + 3750 && first.dueAt <= START + 6250, 'five seconds, more or less')
  clock.wall += 10_000
  const second = await failed(2)
  t.equal(second.lastError, "An unexpected error: the gateway's log has it.", 'not what might be a secret')
  t.ok(second.dueAt >= clock.wall + 7500)
  t.match(await metric('sallyport_jobs_run_total'), /kind="k",result="failed"} 2/)
  clock.wall = second.dueAt
  t.ok((await failed(3)).dueAt >= clock.wall + 600_000, 'as long as the other side asks for')
  clock.wall += 700_000
  t.equal((await failed(4)).dueAt, clock.wall + 3_600_000, 'and an hour at most')
})

t.test('what nobody can mend by waiting is given up at once, and the rest after so many tries', async t => {
  const { clock, schedule, runner, givenUp } = await prepare(t, {
    refused: {
      limit: 1,
      async run() {
        throw new JobRefused('there is no such account')
      },
    },
    tried: {
      limit: 1,
      attempts: 2,
      async run() {
        throw new GatewayError('TARGET_UNREACHABLE', 'no answer')
      },
    },
  })
  await schedule.plan({ kind: 'refused', key: 'a', dueAt: START })
  await schedule.plan({ kind: 'tried', key: 'b', dueAt: START })
  while ((await schedule.list({ state: 'given-up' })).length < 2) {
    clock.wall += 10_000
    await runner.look()
  }
  t.match(givenUp, [
    { job: { key: 'a' }, words: 'there is no such account' },
    { job: { key: 'b', attempts: 1 }, words: 'no answer' },
  ])
})

t.test('a job that comes again does so at its time', async t => {
  const held = heldJobs(1)
  const { clock, schedule, runner } = await prepare(t, { held: held.handler })
  await schedule.plan({ kind: 'held', key: 'a', dueAt: START })
  await runner.look()
  held.begun[0]!.end.resolve({ again: START + 60_000 })
  while ((await schedule.list({ state: 'waiting' })).length === 0) await runner.look()
  t.match(await schedule.list(), [{ dueAt: START + 60_000, attempts: 0 }])
  clock.wall += 60_000
  await runner.look()
  await held.until(2)
})

t.test('a job that is planned for now begins by itself, also in a transaction', async t => {
  const held = heldJobs(5)
  const { database, schedule } = await prepare(t, { held: held.handler })
  await schedule.plan({ kind: 'held', key: 'a', dueAt: START })
  await held.until(1)
  await database.transaction().execute(on => schedule.plan({ kind: 'held', key: 'b', dueAt: START }, on))
  await held.until(2)
})

t.test('a gateway whose claim another one has is told, and notes nothing', async t => {
  const held = heldJobs(1)
  const { database, schedule, runner, metric } = await prepare(t, { held: held.handler }, { claimMs: 40 })
  await schedule.plan({ kind: 'held', key: 'a', dueAt: START })
  await runner.look()
  const [job] = held.begun
  await database
    .updateTable('jobs')
    .set({ claimed_by: 'gw_b#0', claimed_until: START + 99_000 })
    .execute()
  await new Promise(resolve => job!.signal.addEventListener('abort', resolve))
  while (!/result="lost"} 1/.test(await metric('sallyport_jobs_run_total'))) await runner.look()
  t.match(await schedule.list(), [{ state: 'running', gateway: 'gw_b', attempts: 0 }])
})

t.test('a gateway that stops tells its jobs, and leaves them to the others', async t => {
  const held = heldJobs(1)
  const { schedule, runner } = await prepare(t, { held: held.handler })
  await schedule.plan({ kind: 'held', key: 'a', dueAt: START })
  await runner.look()
  await runner.close()
  t.match(await schedule.list(), [{ state: 'due', attempts: 0, gateway: undefined }])
  await schedule.plan({ kind: 'held', key: 'b', dueAt: START })
  await runner.look()
  t.equal(held.begun.length, 1, 'and begins nothing more')
})

t.test('of a store of its own a gateway takes over at once what was left when it was killed', async t => {
  const held = heldJobs(1)
  const { database, schedule, runner, runnerOf } = await prepare(t, { held: held.handler })
  await runner.close()
  await schedule.plan({ kind: 'held', key: 'a', dueAt: START })
  await database
    .updateTable('jobs')
    .set({ claimed_by: 'gw_dead#0', claimed_until: START + 20_000 })
    .execute()
  const next = runnerOf('gw_next', true)
  t.teardown(() => next.close())
  await held.until(1)
})

t.test('a claim from before the clock was set back by a year does not hold for a year', async t => {
  const held = heldJobs(1)
  const { database, clock, schedule, runner } = await prepare(t, { held: held.handler })
  await schedule.plan({ kind: 'held', key: 'a', dueAt: START })
  const claim = { claimed_by: 'gw_dead#0', claimed_until: START + 366 * 86_400_000 }
  await database.updateTable('jobs').set(claim).execute()
  await runner.look()
  t.equal(held.begun.length, 0, 'whoever has it may live, and renew it')
  for (let round = 0; held.begun.length === 0 && round < 4; round++) {
    clock.steady += 21_000
    await runner.look()
    await runner.look()
  }
  t.equal(held.begun.length, 1)
})

t.test('how many are due, run and have failed is in the metrics', async t => {
  const held = heldJobs(1)
  const { database, clock, schedule, runner, metric } = await prepare(t, { held: held.handler })
  for (const key of ['a', 'b', 'c', 'd']) await schedule.plan({ kind: 'held', key, dueAt: START - 3000 })
  await database.updateTable('jobs').set({ attempts: 1 }).where('key', '=', 'd').execute()
  clock.steady += 20_000
  await runner.look()
  await runner.look()
  const jobs = await metric('sallyport_jobs')
  t.match(jobs, /state="running"} 1/)
  t.match(jobs, /state="due"} [23]/)
  t.match(await metric('sallyport_job_lateness_seconds'), /le="1",kind="held"} 0\n.*le="5",kind="held"} 1/)
})

const YEAR = 365 * 86_400_000

t.test('a clock that is set back a year holds up nothing that was planned or failed by it', async t => {
  const thrown = [new Error('not yet')]
  const again: number[] = []
  const { clock, schedule, runner } = await prepare(t, {
    k: {
      limit: 9,
      async run(job) {
        if (job.key === 'fails' && thrown.length > 0) throw thrown.pop()
        again.push(clock.wall)
        return { again: clock.wall + 3_600_000 }
      },
    },
  })
  await schedule.plan({ kind: 'k', key: 'before', dueAt: START + 50_000 })
  clock.wall += YEAR
  await schedule.plan({ kind: 'k', key: 'fails', dueAt: clock.wall })
  await schedule.plan({ kind: 'k', key: 'hourly', dueAt: clock.wall })
  await schedule.plan({ kind: 'other', key: 'later', dueAt: clock.wall + 60_000 })
  const jobs = async () => Object.fromEntries((await schedule.list()).map(job => [job.key, job]))
  for (;;) {
    await runner.look()
    const { fails, hourly, before } = await jobs()
    const settled = [fails, hourly, before].every(job => job!.state !== 'running' && job!.dueAt > clock.wall)
    if (settled && fails!.attempts === 1) break
  }
  t.equal(again.length, 2, 'what was due by then is done once')
  clock.wall -= YEAR
  // Counted every 15 seconds.
  clock.steady += 20_000
  clock.wall += 20_000
  await runner.look()
  const { fails, hourly, later, before } = await jobs()
  t.ok(fails!.dueAt - clock.wall <= 6250, 'after its pause')
  t.equal(hourly!.dueAt, clock.wall + 3_600_000)
  t.equal(before!.dueAt, clock.wall + 3_600_000)
  t.equal(later!.dueAt, clock.wall + 60_000)
})

t.test('a clock that is set forward a year lets jobs begin no faster than at any other time', async t => {
  const held = heldJobs(50, { paceMs: 1000 })
  const { clock, schedule, runner } = await prepare(t, { held: held.handler })
  for (let n = 0; n < 20; n++) await schedule.plan({ kind: 'held', key: `${n}`, dueAt: START + n * 86_400_000 })
  clock.wall += YEAR
  await runner.look()
  await runner.look()
  t.equal(held.begun.length, 1)
})
