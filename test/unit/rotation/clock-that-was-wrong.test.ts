/** What a clock that was wrong has left in the store, and is right now: rotations go on as if it had not been. */

import t, { type Test } from 'tap'
import { openDatabase } from '../../../src/database/database.ts'
import { rotationPolicySchema } from '../../../src/rotation/policies/rotation-policy.ts'
import { rotationHandlers } from '../../../src/rotation/triggers/handlers.ts'
import { planRotations, rotatedAt } from '../../../src/rotation/triggers/plan-rotations.ts'
import { createSchedule } from '../../../src/schedule/schedule.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { KeyEncryptionKey } from '../../../src/vault/key-encryption-key.ts'
import { createVault } from '../../../src/vault/vault.ts'
import { sshTarget, standingClock } from '../../support/identity-parts.ts'

const ROOT = { account: 'root', target: 'web-01' }
const YEAR = 365 * 86_400_000
const password = (text: string) => ({ kind: 'password', password: new Secret(text) }) as const

async function prepare(t: Test, policy: object) {
  const database = await openDatabase('sqlite::memory:')
  t.teardown(() => database.destroy())
  const clock = standingClock()
  const targets = {
    get: async (name: string) => sshTarget(name, { accounts: [{ name: 'root' }] }),
    getAll: async (names: readonly string[]) => names.map(name => sshTarget(name, { accounts: [{ name: 'root' }] })),
  }
  const vault = await createVault({ database, key: new KeyEncryptionKey(Buffer.alloc(32, 7)), clock, targets })
  await vault.setCredential(ROOT, password('first'), 'owner')
  const schedule = createSchedule({ database, clock })
  const policies = {
    list: async () => [rotationPolicySchema.parse({ name: 'all', targets: { names: ['*'] }, ...policy })],
  }
  const plan = { database, clock, schedule, policies, targets }
  const rotated: number[] = []
  const handlers = rotationHandlers({
    ...plan,
    heldUntil: async () => undefined,
    rotations: {
      async rotate() {
        rotated.push(clock.now())
        return { result: 'rotated', version: 9, words: '' } as never
      },
      verify: async () => ({ result: 'works', version: 1, words: '' }),
    },
  })
  const job = async () => (await schedule.list({ kind: 'rotate' }))[0]!
  return {
    clock,
    database,
    vault,
    schedule,
    plan,
    rotated,
    job,
    run: async () => handlers.rotate!.run(await job(), AbortSignal.any([])),
  }
}

t.test('an account that was rotated in a wrong year is rotated in the right one, when it is due', async t => {
  const { clock, vault, plan, rotated, run } = await prepare(t, { every: '30d' })
  clock.move(YEAR)
  const version = await vault.prepareVersion(ROOT, password('second'), { by: 'gateway', cause: 'rotated' })
  await vault.makeCurrent(ROOT, version, { replacing: 1 })
  t.equal(await rotatedAt(plan, ROOT), clock.now())
  clock.move(-YEAR)
  t.equal(await rotatedAt(plan, ROOT), undefined, 'nothing says when')
  await planRotations(plan)
  clock.move(31 * 86_400_000)
  await run()
  t.same(rotated, [clock.now()])
})

t.test('a rotation at set times comes at one of them, whatever a clock that was wrong made of it', async t => {
  const { clock, database, plan, job } = await prepare(t, { at: { cron: '0 3 * * sun', zone: 'Europe/Berlin' } })
  await planRotations(plan)
  const { dueAt } = await job()
  for (const wrong of [dueAt - 3_600_000, dueAt + 2 * YEAR]) {
    await database.updateTable('jobs').set({ due_at: wrong }).where('kind', '=', 'rotate').execute()
    await planRotations(plan)
    t.equal((await job()).dueAt, dueAt)
  }
  clock.move(1000)
  await planRotations(plan)
  t.equal((await job()).dueAt, dueAt, 'and one that is right stays')
})
