/** Access requests on a store of their own, with policy as it is, and short words for what tests do with them. */

import type { RequestJobs } from '../../src/access-requests/act.ts'
import type { Actor } from '../../src/access-requests/actor.ts'
import type { Calendars } from '../../src/access-requests/on-call/calendars.ts'
import { createApprovedOf } from '../../src/access-requests/request-rows.ts'
import { createRequests } from '../../src/access-requests/requests.ts'
import { type ReviewRuleInput, reviewRuleSchema } from '../../src/access-requests/review/review-rule.ts'
import { createReviewRules } from '../../src/access-requests/review/review-rules.ts'
import { createReviewer } from '../../src/access-requests/review/reviewer.ts'
import type { TicketCheck } from '../../src/access-requests/ticket-check.ts'
import { createOutbox, type Outbox, type RecordEvent } from '../../src/audit/chain/outbox.ts'
import type { AuditEvent } from '../../src/audit/event.ts'
import { createLocalCluster } from '../../src/cluster/local.ts'
import type { Database } from '../../src/database/database.ts'
import { planRequestJobs } from '../../src/gateway/access-request-jobs.ts'
import { mintPrincipal } from '../../src/identity/principal.ts'
import { type UserInput, userSchema } from '../../src/identity/user.ts'
import { createUsers } from '../../src/identity/users.ts'
import type { RoleInput } from '../../src/policy/role.ts'
import { createRoles } from '../../src/policy/roles.ts'
import { applyResources } from '../../src/resources/apply.ts'
import type { ResourceName } from '../../src/resources/plan.ts'
import { createSchedule } from '../../src/schedule/schedule.ts'
import { createAccess } from '../../src/session/access.ts'
import { createSessionStore } from '../../src/session/records/session-store.ts'
import { isRefusal } from '../../src/shared/errors.ts'
import { createTargets } from '../../src/targets/targets.ts'
import { standingClock, type TestClock } from './identity-parts.ts'
import { role, target } from './policy-facts.ts'

type OfferInput = NonNullable<RoleInput['onRequest']>[number]

/** How `ops` offers root, unless told otherwise: any lead approves, and no code is asked for. */
export const OFFER: OfferInput = { accounts: { names: ['root'] }, approvers: ['role:leads'], freshFactor: false }

/** `web-01` with root and www; alice, bob and carol hold ops, which gives www and offers root; lee and lou hold leads. */
export async function createRequestWorld(
  database: Database,
  options: {
    clock?: TestClock
    calendars?: Pick<Calendars, 'onCall'>
    checkTicket?: TicketCheck
    /** Called when a change has been prepared, before its transaction. */
    beforeStored?: () => Promise<void>
  } = {},
) {
  const clock = options.clock ?? standingClock()
  const users = createUsers({ database, clock })
  const roles = createRoles({ database, clock })
  const targets = createTargets({ database, clock })
  const approvedOf = createApprovedOf({ database, clock, aheadMs: () => 0 })
  const access = createAccess({ roles, targets, approvedOf, clock, defaults: [['publickey']] })
  const schedule = createSchedule({ database, clock })
  const { change } = createOutbox({ database, gateway: 'gw_test', clock })
  const outbox: Outbox = {
    async change(work) {
      await options.beforeStored?.()
      return change(work)
    },
  }
  const counted: string[] = []
  const refused: AuditEvent[] = []
  const ended: string[] = []
  const jobs: RequestJobs = planRequestJobs(schedule)
  const sessions = createSessionStore({ database, clock, gateway: 'gw_test' })
  const failures: unknown[] = []
  const reviewer = createReviewer({
    ...{ database, clock, sessions, users, failed: error => void failures.push(error) },
    calendars: options.calendars ?? {
      onCall: calendar => ({ is: 'unknown', why: `there is no calendar ${calendar}` }),
    },
    checkTicket: options.checkTicket,
  })
  const reviewRules = createReviewRules({ database, clock })
  const requests = await createRequests({
    ...{ database, access, users, roles, targets, outbox, jobs, clock, reviewer },
    audit: { append: async event => void refused.push(event), flush: async () => undefined },
    cluster: createLocalCluster({ clock, gateway: 'gw_test' }),
    endUses: async ({ id }) => void ended.push(id),
    count: what => void counted.push(what),
  })
  const offers = (...onRequest: OfferInput[]) =>
    roles.put(role({ accounts: { names: ['www'] }, ...(onRequest.length === 0 ? {} : { onRequest }) }))
  const user = (name: string, held: string[], more: Partial<UserInput> = {}) =>
    users.put(userSchema.parse({ name, roles: held, ...more }))
  await offers(OFFER)
  await roles.put(role({ name: 'leads', targets: {}, accounts: {} }))
  await targets.put(target())
  for (const name of ['alice', 'bob', 'carol']) await user(name, ['ops'])
  for (const name of ['lee', 'lou']) await user(name, ['leads'])

  const as = (name: string, held: string[] = name.startsWith('l') ? ['leads'] : ['ops']): Actor => ({
    ...{ user: name, roles: held, proven: new Set(['publickey'] as const), sourceAddress: '198.51.100.7' },
  })
  return {
    ...{
      requests,
      users,
      roles,
      targets,
      clock,
      schedule,
      counted,
      refused,
      reviewer,
      failures,
      sessions,
      ended,
      offers,
      user,
      as,
      approvedOf,
    },
    /** As `sallyport apply` does it. */
    apply: (resources: readonly object[], deletions: readonly ResourceName[] = []) =>
      applyResources(
        [{ name: 'f.yaml', text: JSON.stringify(resources) }],
        { database, clock, connectors: new Map() },
        { deletions },
      ),
    rule: (rule: ReviewRuleInput) => reviewRules.put(reviewRuleSchema.parse(rule)),
    reviewRules,
    ask: async (name: string, more: Partial<Parameters<typeof requests.ask>[1]> = {}) =>
      (await requests.ask(as(name), { on: { target: 'web-01' }, account: 'root', reason: 'INC-4711', ...more }))
        .request,
    /** The request that a login as root@web-01 would rest on; undefined: refused. */
    login: async (name: string, account = 'root') => {
      const principal = mintPrincipal(as(name))
      const login = { user: name, account, target: 'web-01' }
      const decision = await access.decide(principal, 'ses_1', { protocol: 'ssh', login, database: undefined })
      return isRefusal(decision) ? undefined : { request: decision.request, endsAt: decision.endsAt }
    },
    stateOf: async (id: string) => (await requests.rows.get(id))?.state,
    use: (id: string) => outbox.change((on, record: RecordEvent) => requests.use(id, on, record)),
    events: async () =>
      (await database.selectFrom('audit_outbox').selectAll().orderBy('id').execute()).map(({ kind, actor, data }) => ({
        ...{ kind, actor },
        data: JSON.parse(data),
      })),
    dueJobs: async () => (await schedule.list()).map(({ key, dueAt }) => ({ key, dueAt })),
    /** What the runner would do. */
    async runDue() {
      for (const { key, dueAt, kind } of await schedule.list()) {
        if (dueAt > clock.now()) continue
        const again = await requests.due(key)
        await schedule.cancel(kind, key)
        if (again !== undefined) await schedule.plan({ kind, key, dueAt: again })
      }
    },
  }
}
