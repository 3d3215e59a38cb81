import t, { type Test } from 'tap'
import { createAuditLog } from '../../../src/audit/audit-log.ts'
import { createOutbox } from '../../../src/audit/chain/outbox.ts'
import { createBatches } from '../../../src/rotation/batches/batches.ts'
import { batchHandler, type RunBatchParts } from '../../../src/rotation/batches/run-batch.ts'
import type { RotationOutcome } from '../../../src/rotation/outcome.ts'
import type { Job } from '../../../src/schedule/job.ts'
import { createSchedule } from '../../../src/schedule/schedule.ts'
import { GatewayError } from '../../../src/shared/errors.ts'
import { createLog } from '../../../src/shared/log.ts'
import { type AccountAddress, formatAccountAddress } from '../../../src/shared/names.ts'
import { createTargets } from '../../../src/targets/targets.ts'
import { eachStore, type Store, stopStores } from '../../support/each-store.ts'
import { sshTarget } from '../../support/identity-parts.ts'
import { testSigner } from '../../support/test-signer.ts'

t.teardown(stopStores)

const NOW = Date.UTC(2026, 10, 27, 12)
const rotated = (): RotationOutcome => ({ result: 'rotated', rotation: 'rot_1', version: 2, words: '' })

/** A store with `count` accounts, and rotations that come to what the test says. */
async function prepare(t: Test, store: Store, count: number) {
  const database = await store.open()
  const clock = { now: () => NOW }
  const targets = createTargets({ database, clock })
  for (let index = 0; index < count; index++) {
    const name = `web-${String(index).padStart(2, '0')}`
    await targets.put(
      sshTarget(name, { labels: { env: index < 8 ? 'production' : 'test' }, accounts: [{ name: 'root' }] }),
    )
    await database.insertInto('credential_bindings').values({ account: 'root', target: name, sealed: '' }).execute()
  }
  const schedule = createSchedule({ database, clock })
  const outbox = createOutbox({ database, gateway: 'gw', clock })
  const audit = createAuditLog({ database, signer: testSigner(), gateway: 'gw', clock })
  t.teardown(() => audit.close())
  const batches = createBatches({ database, clock, targets, schedule, outbox, audit })
  let rotate: (address: AccountAddress) => Promise<RotationOutcome> = async () => rotated()
  const asked: string[] = []
  const lastRotated = new Map<string, number>()
  const parts: RunBatchParts = {
    ...{ rows: batches.rows, schedule, clock, log: createLog('silent') },
    rotations: {
      rotate(address) {
        asked.push(formatAccountAddress(address))
        return rotate(address)
      },
    },
    rotatedAt: async address => lastRotated.get(formatAccountAddress(address)),
    heldUntil: async () => NOW + 5000,
    close: (batch, state, words, counts) => batches.close(batch, state, words, 'gateway', counts),
  }
  return {
    ...{ batches, schedule, audit, asked, lastRotated },
    start: async (options: { parallel?: number; stopAfter?: number } = {}) =>
      (await batches.start({
        ...{ by: 'owner', selection: { targets: ['web-*'] }, parallel: options.parallel ?? 2 },
        stopAfter: options.stopAfter,
      }))!,
    comesTo(outcome: typeof rotate) {
      rotate = outcome
    },
    run: (id: string, signal = new AbortController().signal) => batchHandler(parts).run({ key: id } as Job, signal),
  }
}

await eachStore(t, 'a selection means what all of it matches, of what the vault has', async (t, store) => {
  const { batches } = await prepare(t, store, 10)
  const count = async (selection: Parameters<typeof batches.select>[0]) => (await batches.select(selection)).length
  t.equal(await count({ targets: ['web-*'] }), 10)
  t.equal(await count({ targets: ['web-0*'], labels: { env: 'production' } }), 8)
  t.equal(await count({ labels: { env: 'prod*' }, accounts: ['root'] }), 8)
  t.equal(await count({ labels: { env: 'production' }, accounts: ['deploy'] }), 0)
  t.equal(await count({ labels: { team: 'web' } }), 0)
  const none = { by: 'owner', selection: { targets: ['db-*'] }, parallel: 1, stopAfter: undefined }
  t.equal(await batches.start(none), undefined)
})

await eachStore(t, 'so many at a time, until all are rotated; what it came to is audited', async (t, store) => {
  const { batches, schedule, audit, asked, start, comesTo, run } = await prepare(t, store, 10)
  const id = await start({ parallel: 3 })
  t.match(await schedule.list(), [{ kind: 'rotate-batch', key: id, state: 'due' }])
  let [atOnce, most] = [0, 0]
  const together = Promise.withResolvers<void>()
  comesTo(async () => {
    most = Math.max(most, ++atOnce)
    if (atOnce === 3) together.resolve()
    await together.promise
    atOnce--
    return rotated()
  })
  await run(id)
  t.equal(most, 3)
  t.equal(new Set(asked).size, 10)
  t.equal(asked.length, 10, 'each once')
  t.match(await batches.get(id), { state: 'done', counts: { rotated: 10, waiting: 0, failed: 0 } })
  const places = (await batches.ended(id, 4, 100)).map(({ place }) => place)
  t.same(places, [5, 6, 7, 8, 9, 10])
  const events = (await audit.list()).filter(({ kind }) => kind.startsWith('rotation-batch.'))
  t.match(
    events.map(({ kind, actor, data }) => ({ kind, actor, ...JSON.parse(data) })),
    [
      { kind: 'rotation-batch.started', actor: 'owner', accounts: 10, parallel: 3 },
      { kind: 'rotation-batch.ended', actor: 'gateway', state: 'done', rotated: 10 },
    ],
  )
})

await eachStore(t, 'after so many failures no further account begins', async (t, store) => {
  const { batches, asked, start, comesTo, run } = await prepare(t, store, 10)
  const id = await start({ parallel: 1, stopAfter: 2 })
  const outcomes = [
    async () => rotated(),
    async () => ({ result: 'backed-out', rotation: 'rot_1', words: 'sudo: a password is required' }) as const,
    async () => Promise.reject(new GatewayError('BAD_REQUEST', 'No connector changes it.')),
  ]
  comesTo(async () => outcomes.shift()!())
  await run(id)
  t.equal(asked.length, 3)
  t.match(await batches.get(id), {
    state: 'stopped',
    words: '2 failed: 7 were not begun',
    counts: { waiting: 7, failed: 2 },
  })
  t.match(await batches.ended(id, 1, 10), [
    { state: 'failed', words: 'sudo: a password is required' },
    { state: 'failed', words: 'No connector changes it.' },
  ])
  await run(id)
  t.equal(asked.length, 3, 'and it stays so')
})

await eachStore(t, 'one that somebody stops begins no further account', async (t, store) => {
  const { batches, asked, start, comesTo, run } = await prepare(t, store, 10)
  const id = await start({ parallel: 1 })
  comesTo(async () => {
    if (asked.length === 4) t.equal(await batches.stop(id, 'alice'), true)
    return rotated()
  })
  await run(id)
  t.equal(asked.length, 4)
  t.match(await batches.get(id), { state: 'stopped', words: 'stopped by alice', counts: { rotated: 4, waiting: 6 } })
  t.equal(await batches.stop(id, 'bob'), false)
})

await eachStore(t, 'what was begun when a gateway was killed is found out, and not done twice', async (t, store) => {
  const { batches, asked, lastRotated, start, comesTo, run } = await prepare(t, store, 6)
  const id = await start({ parallel: 2 })
  const killed = new AbortController()
  comesTo(async () => {
    if (asked.length < 3) return rotated()
    killed.abort()
    return new Promise<never>(() => undefined)
  })
  await t.rejects(run(id, killed.signal))
  const before = await batches.get(id)
  t.equal(before?.state, 'running')
  const begun = asked.splice(0)
  // Of those that were begun one had come to its end.
  lastRotated.set(begun.at(-1)!, NOW + 1)
  comesTo(async () => rotated())
  await run(id)
  t.match(await batches.get(id), { state: 'done', counts: { rotated: 6 } })
  t.notOk(asked.includes(begun.at(-1)!))
  t.equal((await batches.ended(id, 0, 100)).length, 6)
})

await eachStore(t, 'an account that somebody has alone is rotated when they return it', async (t, store) => {
  const { batches, schedule, start, comesTo, run } = await prepare(t, store, 1)
  const id = await start()
  comesTo(async () => ({ result: 'not-started', why: 'checked-out', words: 'alice has it until 14:00' }))
  await run(id)
  t.match(await batches.get(id), { state: 'done', counts: { waits: 1, failed: 0 } })
  t.match(await schedule.list({ kind: 'rotate' }), [
    { key: 'root@web-00', dueAt: NOW + 5000, payload: { trigger: 'by-hand', by: 'owner', waits: true } },
  ])
})
