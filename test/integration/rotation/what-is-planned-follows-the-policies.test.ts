import t, { type Test } from 'tap'
import type { Database } from '../../../src/database/database.ts'
import { createRotationPolicies } from '../../../src/rotation/policies/policies.ts'
import { rotationPolicySchema } from '../../../src/rotation/policies/rotation-policy.ts'
import { type RotationHandlerParts, rotationHandlers } from '../../../src/rotation/triggers/handlers.ts'
import { planAccount, planRotations } from '../../../src/rotation/triggers/plan-rotations.ts'
import { createRotationTriggers } from '../../../src/rotation/triggers/triggers.ts'
import { type Job, JobFailed, JobRefused } from '../../../src/schedule/job.ts'
import { createSchedule } from '../../../src/schedule/schedule.ts'
import { GatewayError } from '../../../src/shared/errors.ts'
import { createTargets } from '../../../src/targets/targets.ts'
import { eachStore, type Store, stopStores } from '../../support/each-store.ts'
import { sshTarget } from '../../support/identity-parts.ts'

t.teardown(stopStores)

const NOW = Date.UTC(2026, 10, 27, 12)
const DAY = 86_400_000
const ROOT = { account: 'root', target: 'web-01' }

/** A store with targets and what the vault says of their credentials. */
async function prepare(_t: Test, store: Store) {
  const database = await store.open()
  const clock = { time: NOW, now: () => clock.time }
  const parts = {
    ...{ database, clock },
    schedule: createSchedule({ database, clock }),
    policies: createRotationPolicies({ database, clock }),
    targets: createTargets({ database, clock }),
  }
  return {
    ...parts,
    clock,
    parts,
    triggers: createRotationTriggers(parts),
    async addTarget(name: string, ...accounts: string[]) {
      await parts.targets.put(sshTarget(name, { accounts: accounts.map(name => ({ name })) }))
      for (const account of accounts) await hold(database, account, name)
    },
    async policy(name: string, rest: object) {
      await parts.policies.put(rotationPolicySchema.parse({ name, targets: { names: ['*'] }, ...rest }))
    },
    /** What is planned, each as `rotate root@web-01 +3d`. */
    async planned() {
      const days = (at: number) => Math.round(((at - clock.time) / DAY) * 100) / 100
      return (await parts.schedule.list()).map(({ kind, key, dueAt }) => `${kind} ${key} ${days(dueAt)}`).sort()
    },
    plan: () => planRotations(parts),
  }
}

/** As the vault has a credential with one version in force. */
async function hold(on: Database, account: string, target: string, rotatedAt?: number) {
  const of = { account, target }
  await on.deleteFrom('credentials').where('account', '=', account).where('target', '=', target).execute()
  const cause = { cause: rotatedAt === undefined ? 'typed' : 'rotated', current_at: rotatedAt ?? NOW - 900 * DAY }
  const version = { ...of, version: 1, kind: 'password', sealed: '', bound: '', created_at: NOW, created_by: 'owner' }
  await on
    .insertInto('credentials')
    .values({ ...version, ...cause })
    .execute()
  await on
    .insertInto('credential_bindings')
    .values({ ...of, sealed: '', in_force: 1 })
    .onConflict(conflict => conflict.columns(['account', 'target']).doNothing())
    .execute()
}

async function lend(on: Database, id: string, user: string, of: typeof ROOT, checkOut: string | null, version = 1) {
  const holder = { session: checkOut === null ? 'ses_1' : '', check_out: checkOut, user }
  const times = { started_at: NOW - 1000, until: NOW + 1000, ended_at: NOW }
  await on
    .insertInto('leases')
    .values({ id, ...holder, ...of, credential_version: version, ...times })
    .execute()
}

await eachStore(
  t,
  'each account that a policy selects has its times, and a second round changes nothing',
  async (t, store) => {
    const { addTarget, policy, plan, planned, database } = await prepare(t, store)
    await addTarget('web-01', 'root', 'deploy')
    await addTarget('db-01', 'dba')
    await hold(database, 'root', 'web-01', NOW - DAY)
    await policy('10-root', { accounts: { names: ['root'] }, every: 30 * DAY })
    await policy('20-cron', { targets: { names: ['db-*'] }, at: { cron: '0 0 * * *' } })
    await policy('30-rest', { verifyEvery: DAY })
    await plan()
    const first = await planned()
    t.equal(first[0], 'rotate dba@db-01 0.5')
    t.equal(first[1], 'rotate root@web-01 29')
    t.match(first[2], /^verify deploy@web-01 [01]/)
    t.equal(first.length, 3)
    await plan()
    t.same(await planned(), first)
  },
)

await eachStore(
  t,
  'what a policy wanted goes when it is changed or gone; what else is planned stays',
  async (t, store) => {
    const { addTarget, policy, plan, planned, triggers, policies, targets, database } = await prepare(t, store)
    await addTarget('web-01', 'root', 'deploy')
    await hold(database, 'root', 'web-01', NOW - DAY)
    await policy('p', { every: 30 * DAY, verifyEvery: DAY })
    await plan()
    t.equal((await planned()).length, 4)
    await policy('p', { every: 10 * DAY })
    await plan()
    const [deploy, root, ...more] = await planned()
    t.match(deploy, /^rotate deploy@web-01 \d/)
    t.equal(root, 'rotate root@web-01 9')
    t.same(more, [])
    await triggers.rotationAfterLeak({ account: 'deploy', target: 'web-01' }, 'alice', database)
    await policies.remove('p')
    await plan()
    t.same(await planned(), ['rotate deploy@web-01 0'])
    await policy('q', { every: 10 * DAY })
    await targets.put(sshTarget('web-01', { accounts: [{ name: 'deploy' }] }))
    await plan()
    t.same(await planned(), ['rotate deploy@web-01 0'], 'nor of an account that is gone')
  },
)

await eachStore(t, 'ten thousand accounts under a new policy do not come together', async (t, store) => {
  const { policy, plan, schedule, targets, database } = await prepare(t, store)
  const accounts = Array.from({ length: 200 }, (_, index) => `a${index}`)
  await targets.put(sshTarget('web-01', { accounts: accounts.map(name => ({ name })) }))
  for (const account of accounts) await hold(database, account, 'web-01')
  await policy('p', { every: 30 * DAY })
  await plan()
  const due = (await schedule.list({ kind: 'rotate' })).map(({ dueAt }) => dueAt)
  t.equal(due.length, 200)
  const early = due.filter(at => at < NOW + 15 * DAY).length
  t.ok(early > 60 && early < 140, `${early} in the first half`)
})

await eachStore(t, 'the clock may have been wrong when something was planned', async (t, store) => {
  const { addTarget, policy, plan, planned, clock } = await prepare(t, store)
  await addTarget('web-01', 'root')
  await policy('p', { every: DAY })
  clock.time += 400 * DAY
  await plan()
  clock.time -= 400 * DAY
  await plan()
  const [only] = await planned()
  t.ok(Number(only!.split(' ')[2]) <= 1, only)
})

await eachStore(
  t,
  'a check-in rotates where the policy says so, or where a rotation waited for it',
  async (t, store) => {
    const { addTarget, policy, planned, triggers, schedule, database } = await prepare(t, store)
    await addTarget('web-01', 'root', 'deploy')
    await policy('10-root', { accounts: { names: ['root'] }, after: ['check-in'] })
    const checkIn = (account: string) =>
      database.transaction().execute(on => triggers.rotationAfterCheckIn({ account, target: 'web-01' }, on))
    await checkIn('deploy')
    t.same(await planned(), [])
    await checkIn('root')
    t.same(await planned(), ['rotate root@web-01 0'])
    t.match((await schedule.list())[0]?.payload, { trigger: 'check-in', by: 'gateway' })
    await schedule.plan({
      ...{ kind: 'rotate', key: 'deploy@web-01', dueAt: NOW + DAY },
      payload: { trigger: 'leak', by: 'alice', waits: true },
    })
    await checkIn('deploy')
    t.same(await planned(), ['rotate deploy@web-01 0', 'rotate root@web-01 0'])
    t.match((await schedule.list({ key: 'deploy@web-01' }))[0]?.payload, { trigger: 'leak', by: 'alice', waits: false })
    // One that runs when the account is returned rotates it, and not twice.
    await schedule.plan({
      ...{ kind: 'rotate', key: 'deploy@web-01', dueAt: NOW, replace: true },
      payload: { trigger: 'leak', by: 'alice', waits: true },
    })
    for (const job of await schedule.rows.claim('rotate', 5, 'gw#1', 60_000)) {
      if (job.key === 'deploy@web-01') await checkIn('deploy')
      await schedule.rows.finish(job, 'gw#1')
    }
    t.same(await planned(), [])
  },
)

await eachStore(t, 'what a session was lent is rotated after it where the policy says so', async (t, store) => {
  const { addTarget, policy, planned, triggers, database } = await prepare(t, store)
  await addTarget('web-01', 'root', 'deploy')
  await lend(database, 'lea_1', 'alice', ROOT, null)
  await lend(database, 'lea_2', 'alice', { account: 'deploy', target: 'web-01' }, null)
  const end = () => database.transaction().execute(on => triggers.rotationAfterSession(['lea_1', 'lea_2'], on))
  await end()
  t.same(await planned(), [])
  await policy('p', { accounts: { names: ['root'] }, after: ['session'] })
  await end()
  t.same(await planned(), ['rotate root@web-01 0'])
})

await eachStore(
  t,
  'what somebody who is gone was shown is rotated, and what they used where the policy says so',
  async (t, store) => {
    const { addTarget, policy, planned, triggers, schedule, database } = await prepare(t, store)
    await addTarget('web-01', 'root', 'deploy', 'www', 'old')
    const web = (account: string) => ({ account, target: 'web-01' })
    await policy('p', { accounts: { names: ['deploy'] }, after: ['offboarding'] })
    await lend(database, 'lea_1', 'alice', ROOT, 'cho_1')
    await lend(database, 'lea_2', 'alice', web('deploy'), null)
    await lend(database, 'lea_3', 'alice', web('www'), null)
    await lend(database, 'lea_4', 'bob', web('www'), 'cho_2')
    await lend(database, 'lea_5', 'alice', web('old'), 'cho_3', 0)
    const gone = (...users: string[]) =>
      database.transaction().execute(on => triggers.rotationAfterOffboarding(users, 'owner', on))
    t.same(await gone(), [])
    t.same(await gone('carol'), [])
    t.same(await gone('alice'), [web('deploy'), ROOT])
    t.same(await planned(), ['rotate deploy@web-01 0', 'rotate root@web-01 0'], 'not what is not in force any more')
    t.match((await schedule.list())[0]?.payload, { trigger: 'offboarding', by: 'owner' })
  },
)

type Outcome = Awaited<ReturnType<RotationHandlerParts['rotations']['rotate']>>

await eachStore(t, 'what a rotation comes to decides when the account is rotated next', async (t, store) => {
  const world = await prepare(t, store)
  const { addTarget, policy, planned, schedule, parts, clock } = world
  await addTarget('web-01', 'root')
  await policy('p', { every: 10 * DAY })
  const rotation = 'rot_1'
  let outcome: () => Promise<Outcome> = async () => ({ result: 'rotated', rotation, version: 2, words: '' })
  const asked: unknown[] = []
  const handlers = rotationHandlers({
    ...parts,
    heldUntil: async () => NOW + 2 * DAY,
    rotations: {
      async rotate(address, request) {
        asked.push([address, request])
        return outcome()
      },
      verify: async () => ({ result: 'works', version: 1, words: '' }),
    },
  })
  const { signal } = new AbortController()
  const payload = { trigger: 'leak', by: 'alice' }
  const job: Job = {
    ...{ id: 'job_1', kind: 'rotate', key: 'root@web-01', payload, state: 'running', dueAt: NOW, plannedAt: NOW },
    ...{ attempts: 0, lastError: undefined, failedAt: undefined, gateway: 'gw' },
  }
  const run = (changes: Partial<Job> = {}) => handlers.rotate!.run({ ...job, ...changes }, signal)

  t.equal(await run(), undefined)
  t.match(asked, [[ROOT, payload]])
  outcome = async () => ({ result: 'open', rotation, words: 'it goes on', nextAt: NOW + 5000 })
  t.same(await run(), { again: NOW + 5000 })
  const not = (why: 'busy' | 'checked-out' | 'unreachable' | 'changed-elsewhere' | 'unknown'): Outcome => ({
    ...{ result: 'not-started', why, words: `it is ${why}` },
  })
  outcome = async () => not('busy')
  t.same(await run(), { again: NOW + 10_000 })
  outcome = async () => not('unreachable')
  await t.rejects(run(), new JobFailed('it is unreachable'))
  for (const why of ['changed-elsewhere', 'unknown'] as const) {
    outcome = async () => not(why)
    await t.rejects(run(), new JobRefused(`it is ${why}`), 'nothing is overwritten silently')
  }
  outcome = async () => ({ result: 'backed-out', rotation, words: 'sudo: no' })
  await t.rejects(run(), new JobFailed('sudo: no'))
  await t.rejects(run({ attempts: 4 }), new JobRefused('sudo: no'), 'and in the end it needs a person')

  outcome = async () => not('checked-out')
  t.equal(await run(), undefined)
  t.same(await planned(), ['rotate root@web-01 2'], 'it comes when the check-out ends')
  t.match((await schedule.list())[0]?.payload, { ...payload, waits: true })

  outcome = async () => {
    throw new GatewayError('NOT_FOUND', 'There is no account root@web-01.')
  }
  t.equal(await run(), undefined, 'what is gone is not rotated')
  outcome = async () => {
    throw new GatewayError('BAD_REQUEST', 'No connector changes it.')
  }
  await t.rejects(run(), new JobRefused('No connector changes it.'))
  await t.rejects(run({ payload: { trigger: 'whim' } }), /cannot be read/)
  await t.rejects(run({ key: 'root' }), /"root" is no account/)

  // Killed between the rotation and the end of its job.
  await schedule.cancel('rotate', 'root@web-01')
  await hold(parts.database, 'root', 'web-01', NOW + 1000)
  clock.time = NOW + 2000
  asked.length = 0
  t.equal(await run({ payload: { trigger: 'interval', by: 'gateway', basis: 'x' } }), undefined)
  t.same(asked, [], 'it is not rotated twice')
  t.same(await planned(), ['rotate root@web-01 10'])

  const verify = handlers.verify!.run({ ...job, kind: 'verify', payload: { basis: String(DAY) } }, signal)
  const { again } = (await verify)!
  t.ok(again >= clock.time + 0.9 * DAY && again <= clock.time + 1.1 * DAY)
})

await eachStore(
  t,
  'after a rotation by whoever the next one is planned anew, behind the job that runs',
  async (t, store) => {
    const { addTarget, policy, plan, planned, schedule, parts, database } = await prepare(t, store)
    await addTarget('web-01', 'root')
    await hold(database, 'root', 'web-01', NOW - 10 * DAY)
    await policy('p', { every: 10 * DAY })
    await plan()
    t.same(await planned(), ['rotate root@web-01 0'])
    const [job] = await schedule.rows.claim('rotate', 1, 'gw#1', 60_000)
    await hold(database, 'root', 'web-01', NOW)
    await planAccount(parts, ROOT, 0)
    await schedule.rows.finish(job!, 'gw#1')
    t.same(await planned(), ['rotate root@web-01 10'])
    t.match((await schedule.list())[0]?.payload, { trigger: 'interval' })
  },
)
