/** What causes a rotation besides time: each plans it, in the transaction of what has happened. */

import type { Database } from '../../database/database.ts'
import type { Schedule } from '../../schedule/schedule.ts'
import type { Clock } from '../../shared/clock.ts'
import { type AccountAddress, formatAccountAddress } from '../../shared/names.ts'
import { createTargets } from '../../targets/targets.ts'
import { dependentsOf } from '../dependents/dependents.ts'
import { planToTell } from '../dependents/tell-again.ts'
import { createRotationPolicies } from '../policies/policies.ts'
import type { RotationPolicy } from '../policies/rotation-policy.ts'
import { accountsKnownTo } from './known-accounts.ts'
import { exposes, type JobTrigger, payloadOf, planRotationsJob, ROTATE, rotationJob, VERIFY } from './rotation-job.ts'

/** Where many credentials are stored one after the other, what follows is planned for all of them together. */
const STORED_MS = 5000

export interface RotationTriggers {
  /** A check-out has ended: the account is rotated where its policy says so, or where a rotation waited for that. */
  rotationAfterCheckIn(address: AccountAddress, on: Database): Promise<void>
  /** Somebody has seen the credential, and has returned it. */
  rotationAfterReveal(address: AccountAddress, by: string, on: Database): Promise<void>
  /** A session has ended, and these leases with it: what they lent is rotated where its policy says so. */
  rotationAfterSession(leases: readonly string[], on: Database): Promise<void>
  /** Users are gone. What they were shown, or typed, is rotated, and what they used where the policy says so; gives those accounts. */
  rotationAfterOffboarding(users: readonly string[], by: string, on: Database): Promise<AccountAddress[]>
  /** Somebody thinks that it is known to others. */
  rotationAfterLeak(address: AccountAddress, by: string, on: Database): Promise<void>
  /** The target refused a session's login: whether the credential was changed elsewhere is found out, soon, and not for each login anew. */
  verificationAfterRefusal(address: AccountAddress, on: Database): Promise<void>
  /** Policies or targets have changed. */
  planAnew(on: Database): Promise<void>
  /** Another version is in force, and not by a rotation: its account's dependents are told of it. */
  credentialInForce(address: AccountAddress, by: string, on: Database): Promise<void>
  /** A credential was stored, perhaps one of many: its account may be under a policy. */
  credentialStored(on: Database): Promise<void>
}

/** Each costs the target a login that may fail. */
const VERIFIED_LATELY_MS = 5 * 60_000

/** `clock`: the store's, where several gateways share it. */
export function createRotationTriggers(parts: { schedule: Schedule; clock: Clock }): RotationTriggers {
  const { schedule, clock } = parts

  async function policyOn(on: Database, { account, target }: AccountAddress): Promise<RotationPolicy | undefined> {
    const policies = createRotationPolicies({ database: on, clock })
    const entry = await createTargets({ database: on, clock }).get(target)
    const found = entry?.accounts.find(({ name }) => name === account)
    return entry === undefined || found === undefined ? undefined : policies.of(entry, found)
  }

  async function rotateNow(address: AccountAddress, trigger: JobTrigger, by: string, on: Database): Promise<void> {
    const job = rotationJob(address, clock.now(), { trigger, by })
    // That somebody may know it counts, whatever else is planned: a dual account has both logins changed then.
    if (exposes(trigger)) return schedule.plan({ ...job, replace: true }, on)
    const [there] = await schedule.list({ kind: ROTATE, key: job.key }, on)
    const payload = there && payloadOf(there)
    await schedule.plan(payload !== undefined && exposes(payload.trigger) ? { ...job, payload } : job, on)
  }

  return {
    async rotationAfterCheckIn(address, on) {
      const policy = await policyOn(on, address)
      if (policy?.after.includes('check-in') === true) return rotateNow(address, 'check-in', 'gateway', on)
      const [waiting] = await schedule.list({ kind: ROTATE, key: formatAccountAddress(address) }, on)
      const payload = waiting && payloadOf(waiting)
      // One that runs now finds out by itself that the account was returned.
      if (payload?.waits !== true || waiting?.state === 'running') return
      await schedule.plan({ ...rotationJob(address, clock.now(), { ...payload, waits: false }) }, on)
    },

    rotationAfterReveal: (address, by, on) => rotateNow(address, 'check-in', by, on),

    async rotationAfterSession(leases, on) {
      // Each session that ends asks, and few policies want it.
      const policies = await createRotationPolicies({ database: on, clock }).list()
      if (leases.length === 0 || !policies.some(({ after }) => after.includes('session'))) return
      const lent = on
        .selectFrom('leases')
        .select(['account', 'target'])
        .distinct()
        .where('id', 'in', [...leases])
      for (const address of await lent.execute()) {
        const policy = await policyOn(on, address)
        if (policy?.after.includes('session') === true) await rotateNow(address, 'session', 'gateway', on)
      }
    },

    async rotationAfterOffboarding(users, by, on) {
      if (users.length === 0) return []
      const known: AccountAddress[] = []
      for (const { account, target, seen } of await accountsKnownTo(
        users,
        on,
        createTargets({ database: on, clock }),
      )) {
        const address = { account, target }
        const policy = seen ? undefined : await policyOn(on, address)
        if (!seen && policy?.after.includes('offboarding') !== true) continue
        await rotateNow(address, 'offboarding', by, on)
        known.push(address)
      }
      return known
    },

    rotationAfterLeak: (address, by, on) => rotateNow(address, 'leak', by, on),

    async verificationAfterRefusal({ account, target }, on) {
      const now = clock.now()
      const known = await on
        .selectFrom('credential_states')
        .select('verified_at')
        .where('account', '=', account)
        .where('target', '=', target)
        .executeTakeFirst()
      const every = (await policyOn(on, { account, target }))?.verifyEvery
      await schedule.plan(
        {
          ...{ kind: VERIFY, key: formatAccountAddress({ account, target }) },
          dueAt: now + Math.min(Math.max(0, (known?.verified_at ?? 0) + VERIFIED_LATELY_MS - now), VERIFIED_LATELY_MS),
          ...(every === undefined ? {} : { payload: { basis: String(every) } }),
        },
        on,
      )
    },

    async credentialInForce(address, by, on) {
      const entry = await createTargets({ database: on, clock }).get(address.target)
      const account = entry?.accounts.find(({ name }) => name === address.account)
      if (account === undefined || dependentsOf(account).length === 0) return
      await planToTell(schedule, address, { by, dueAt: clock.now() }, on)
    },

    planAnew: on => schedule.plan(planRotationsJob(clock.now()), on),
    credentialStored: on => schedule.plan(planRotationsJob(clock.now() + STORED_MS), on),
  }
}
