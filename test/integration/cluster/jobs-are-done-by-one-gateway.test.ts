import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { openDatabase } from '../../../src/database/database.ts'
import { createSchedule } from '../../../src/schedule/schedule.ts'
import { systemClock } from '../../../src/shared/clock.ts'
import { type Child, startChild } from '../../support/child.ts'
import { eachStore, postgresDatabase, type Store, stopStores } from '../../support/each-store.ts'

t.teardown(stopStores)

const program = new URL('../../support/run-schedule.ts', import.meta.url).pathname

/** A store, and processes that do what is planned on it. */
async function prepare(t: Test, store: Pick<Store, 'url' | 'open'>) {
  const folder = t.testdir()
  const file = join(folder, 'notes')
  writeFileSync(file, '')
  const schedule = createSchedule({ database: await store.open(), clock: systemClock })
  const plan = (key: string, dueAt = Date.now()) => schedule.plan({ kind: 'note', key, dueAt })
  return {
    schedule,
    plan,
    /** What each process noted, in order. */
    notes: () =>
      readFileSync(file, 'utf8')
        .split('\n')
        .filter(line => line !== '')
        .map(line => line.split(' ') as ['begin' | 'end', string, string]),
    async start(name: string): Promise<Child> {
      const child = startChild(process.execPath, [program, store.url, file, name], {
        ...{ folder, logFile: join(folder, `${name}.log`) },
        env: { ...process.env, NODE_OPTIONS: '' },
      })
      t.teardown(() => child.end('SIGKILL'))
      await child.printed(/ready/)
      return child
    },
    async until(holds: () => boolean | Promise<boolean>): Promise<void> {
      while (!(await holds())) await setTimeout(20)
    },
  }
}

await eachStore(t, 'what a gateway was at when it was killed is done by the next one', async (t, store) => {
  const { schedule, plan, notes, start, until } = await prepare(t, store)
  for (const key of ['long-1', 'long-2', 'later'])
    await plan(key, key === 'later' ? Date.now() + 86_400_000 : undefined)
  const first = await start('first')
  await until(() => notes().length === 2)
  t.match(await schedule.list({ state: 'running' }), [{ gateway: 'first' }, { gateway: 'first' }])
  await first.end('SIGKILL')
  await start('second')
  await until(() => notes().filter(([what]) => what === 'end').length === 2)
  await until(async () => (await schedule.list()).length === 1)
  t.same(
    notes()
      .slice(2)
      .map(([, key, name]) => `${key} ${name}`)
      .sort(),
    ['long-1 second', 'long-1 second', 'long-2 second', 'long-2 second'],
  )
  t.match(await schedule.list(), [{ key: 'later', state: 'waiting', attempts: 0 }], 'and nothing before its time')
})

t.test('of two gateways that look at once, one does each job, and both work', async t => {
  // One gateway at a time has an SQLite file.
  const url = await postgresDatabase()
  const { schedule, plan, notes, start, until } = await prepare(t, { url, open: () => openUntilEnd(t, url) })
  const together = Array.from({ length: 6 }, (_, index) => `together-${index}`)
  const more = Array.from({ length: 60 }, (_, index) => `job-${index}`)
  await Promise.all([start('a'), start('b')])
  for (const key of [...together, ...more]) await plan(key)
  await until(async () => (await schedule.list()).length === 0)
  const begun = notes().filter(([what]) => what === 'begin')
  t.same(begun.map(([, key]) => key).sort(), [...together, ...more].sort(), 'each once')
  t.same(new Set(begun.map(([, , name]) => name)), new Set(['a', 'b']))
})

async function openUntilEnd(t: Test, url: string) {
  const database = await openDatabase(url)
  t.teardown(() => database.destroy())
  return database
}
