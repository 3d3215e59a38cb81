/** Check-outs on a store of their own, with policy as it is, and short words for what tests do with them. */

import { createApprovedOf } from '../../src/access-requests/request-rows.ts'
import { createOutbox } from '../../src/audit/chain/outbox.ts'
import { createAccountUse } from '../../src/check-out/account-use.ts'
import { createCheckOuts } from '../../src/check-out/check-outs.ts'
import type { Asker } from '../../src/check-out/terms.ts'
import { createLocalCluster } from '../../src/cluster/local.ts'
import type { Database } from '../../src/database/database.ts'
import { planCheckOutJobs } from '../../src/gateway/check-out-jobs.ts'
import { userSchema } from '../../src/identity/user.ts'
import { createUsers } from '../../src/identity/users.ts'
import { type RoleInput, roleSchema } from '../../src/policy/role.ts'
import { createRoles } from '../../src/policy/roles.ts'
import { changeOf } from '../../src/rotation/journal.ts'
import { createRotationTriggers } from '../../src/rotation/triggers/triggers.ts'
import { createSchedule } from '../../src/schedule/schedule.ts'
import { createAccess } from '../../src/session/access.ts'
import { type TargetInput, targetSchema } from '../../src/targets/target.ts'
import { createTargets } from '../../src/targets/targets.ts'
import { createLeaseRows } from '../../src/vault/lease-rows.ts'
import { standingClock, type TestClock } from './identity-parts.ts'

export const HOUR = 3_600_000
export const ROOT = { account: 'root', target: 'web-01' }

type AccountInput = NonNullable<TargetInput['accounts']>[number]

export interface CheckOutWorldOptions {
  readonly rule?: AccountInput['checkOut']
  readonly role?: Partial<RoleInput>
  readonly clock?: TestClock
}

/** `web-01` with root, whose entry has `rule`; alice, bob and carol hold the role ops. */
export async function createCheckOutWorld(database: Database, options: CheckOutWorldOptions = {}) {
  const clock = options.clock ?? standingClock()
  const users = createUsers({ database, clock })
  const roles = createRoles({ database, clock })
  const targets = createTargets({ database, clock })
  const approvedOf = createApprovedOf({ database, clock, aheadMs: () => 0 })
  const access = createAccess({ roles, targets, approvedOf, clock, defaults: [['publickey']] })
  const counted: string[] = []
  const schedule = createSchedule({ database, clock })
  const leases = createLeaseRows({ database, clock })
  const checkOuts = await createCheckOuts({
    ...{ database, access, users, targets, clock, gateway: 'gw_test' },
    outbox: createOutbox({ database, gateway: 'gw_test', clock }),
    audit: { append: async event => void refusals.push(event.kind), flush: async () => undefined },
    vault: { endLeases: leases.end, sessionsOn: leases.openOf, startLoan: leases.startLoan },
    cluster: createLocalCluster({ clock, gateway: 'gw_test' }),
    jobs: planCheckOutJobs(schedule, createRotationTriggers({ schedule, clock })),
    changeOf,
    useRequest: async () => undefined,
    count: what => void counted.push(what),
  })
  const refusals: string[] = []
  const setRule = (rule: AccountInput['checkOut']) =>
    targets.put(
      targetSchema.parse({
        ...{ name: 'web-01', protocol: 'ssh', host: '192.0.2.1' },
        accounts: [{ name: 'root', ...(rule === undefined ? {} : { checkOut: rule }) }],
      }),
    )
  const setRole = (role: Partial<RoleInput> = {}) =>
    roles.put(
      roleSchema.parse({
        ...{ name: 'ops', targets: { names: ['web-01'] }, accounts: { names: ['root'] }, checkOut: {} },
        ...role,
      }),
    )
  await setRule(options.rule ?? {})
  await setRole(options.role)
  for (const name of ['alice', 'bob', 'carol']) await users.put(userSchema.parse({ name, roles: ['ops'] }))
  const as = (user: string): Asker => ({
    ...{ user, roles: ['ops'], proven: new Set(['publickey'] as const), sourceAddress: '192.0.2.7' },
  })
  const use = createAccountUse(checkOuts)
  return {
    ...{ clock, users, targets, roles, checkOuts, counted, refusals, setRule, setRole, as },
    /** A session of this user on root@web-01, or another account, begins; its id, or the code of the refusal. */
    async session(user: string, id: string, asHop = false, address = ROOT): Promise<string> {
      const target = (await targets.get(address.target))!
      const account = target.accounts.find(({ name }) => name === address.account)!
      try {
        await database.transaction().execute(async on => {
          await use.lend({ user, account, target, seesHolder: false, asHop }, on)
          await on
            .insertInto('leases')
            .values({
              ...{ id: `lea_${id}`, session: id, check_out: null, user, ...address, credential_version: 1 },
              ...{ started_at: clock.now(), until: clock.now() + HOUR, ended_at: null },
            })
            .execute()
        })
        return id
      } catch (error) {
        return (error as { code: string }).code
      }
    },
    endSession: (id: string) => leases.end({ kind: 'session', session: id }),
    events: async () =>
      (await database.selectFrom('audit_outbox').selectAll().orderBy('id').execute()).map(({ kind }) => kind),
    jobs: async () =>
      (await database.selectFrom('jobs').selectAll().orderBy('kind').execute()).map(({ kind, key, due_at }) => ({
        ...{ kind, key, dueAt: due_at },
      })),
  }
}
