import t from 'tap'
import type { AuditEvent } from '../../../src/audit/event.ts'
import { deleteOldRecords } from '../../../src/rotation/old-records.ts'
import { createRetentionTime } from '../../../src/rotation/retention-time.ts'
import { eachStore, stopStores } from '../../support/each-store.ts'
import { standingClock } from '../../support/identity-parts.ts'

t.teardown(stopStores)

const DAY = 86_400_000
const never = AbortSignal.any([])

eachStore(t, 'what is over is remembered so long, and the last rotation of an account for good', async (t, store) => {
  const database = await store.open()
  const now = standingClock().now()
  const rotation = (id: string, account: string, endedAt: number | null) => ({
    ...{ id, account, target: 'web-01', way: 'rotate', from_version: 1, to_version: 2, state: 'finished' },
    ...{ trigger: 'interval', by: 'gateway', connector: 'c', policy: null, attempt: 1, changes: 1, tries: 0 },
    ...{ next_at: 0, words: '', started_at: 0, updated_at: 0, ended_at: endedAt, gateway: 'gw', claimed_until: 0 },
  })
  const [old, young] = [now - 31 * DAY, now - 29 * DAY]
  const rotations = [
    ...[rotation('rot_1', 'root', old), rotation('rot_2', 'root', young), rotation('rot_3', 'root', null)],
    ...[rotation('rot_4', 'dba', old), rotation('rot_5', 'dba', old)],
  ]
  await database.insertInto('rotations').values(rotations).execute()
  const batch = (id: string, endedAt: number | null) => ({
    ...{ id, by: 'alice', selection: '{}', parallel: 1, stop_after: null, state: 'done', words: '', started_at: 0 },
    ended_at: endedAt,
  })
  await database
    .insertInto('rotation_batches')
    .values([batch('bat_1', old), batch('bat_2', young), batch('bat_3', null)])
    .execute()
  const entries = ['bat_1', 'bat_2', 'bat_3'].flatMap(id =>
    Array.from({ length: 700 }, (_, n) => ({
      batch: id,
      account: 'root',
      target: `host-${n}`,
      state: 'rotated',
      words: '',
    })),
  )
  for (let from = 0; from < entries.length; from += 300)
    await database
      .insertInto('rotation_batch_entries')
      .values(entries.slice(from, from + 300))
      .execute()
  const job = (key: string, givenUpAt: number | null) => ({
    ...{ id: `job_${key}`, kind: 'rotate', key, payload: '{}', due_at: 0, planned_at: 0, attempts: 5, urgent: 0 },
    ...{ given_up_at: givenUpAt, claimed_until: 0 },
  })
  await database
    .insertInto('jobs')
    .values([job('a', old), job('b', young), job('c', null)])
    .execute()

  const events: AuditEvent[] = []
  const audit = { append: async (event: AuditEvent) => void events.push(event) } as never
  const round = () => deleteOldRecords({ database, audit, keptMs: 30 * DAY }, now, never)
  t.same(await round(), { rotations: 2, batches: 1, jobs: 1 })
  t.match(events, [{ kind: 'rotation.records-deleted', data: { rotations: 2, batches: 1, jobs: 1 } }])
  const ids = async (table: 'rotations' | 'rotation_batches' | 'jobs') =>
    (await database.selectFrom(table).select('id').orderBy('id').execute()).map(({ id }) => id)
  t.same(await ids('rotations'), ['rot_2', 'rot_3', 'rot_5'])
  t.same(await ids('rotation_batches'), ['bat_2', 'bat_3'])
  t.same(await ids('jobs'), ['job_b', 'job_c'])
  const left = await database
    .selectFrom('rotation_batch_entries')
    .select(({ fn }) => ['batch', fn.countAll().as('count')])
    .groupBy('batch')
    .orderBy('batch')
    .execute()
  t.same(
    left.map(({ batch, count }) => [batch, Number(count)]),
    [
      ['bat_2', 700],
      ['bat_3', 700],
    ],
  )
  t.same(await round(), { rotations: 0, batches: 0, jobs: 0 })
  t.equal(events.length, 1)
})

eachStore(
  t,
  'a clock that is set forward makes what is kept two days older a round, and not a year',
  async (t, store) => {
    const database = await store.open()
    const clock = standingClock()
    const start = clock.now()
    const time = createRetentionTime({ database, clock })
    await time.begin()
    clock.move(DAY)
    t.equal(await time.latest(), start + DAY, 'as the clock says')
    await time.ended(await time.latest())
    clock.move(365 * DAY)
    await time.begin()
    for (const days of [3, 5, 7]) {
      t.equal(await time.latest(), start + days * DAY)
      await time.ended(await time.latest())
    }
    clock.move(-365 * DAY)
    t.equal(await time.latest(), clock.now(), 'set back, it is as late as the clock says')
    await time.ended(await time.latest())
    t.equal(await createRetentionTime({ database, clock }).latest(), clock.now(), 'and it is stored')
  },
)
