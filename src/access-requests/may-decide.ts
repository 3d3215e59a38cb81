/** Who may decide on requests, as users, roles and earlier decisions are now: of many at once, with as many queries as of one. */

import type { Database } from '../database/database.ts'
import type { User } from '../identity/user.ts'
import { createUsers, type Users } from '../identity/users.ts'
import { type Offer, stagesOf } from '../policy/on-request.ts'
import type { Role } from '../policy/role.ts'
import { createRoles, type Roles } from '../policy/roles.ts'
import type { Clock } from '../shared/clock.ts'
import { type ApprovalFacts, type Decider, type MayDecide, mayDecide, samePerson } from './approvals.ts'
import { peopleMeant } from './approvers.ts'
import { offerIn } from './offered.ts'
import type { RequestedAccess } from './request.ts'
import { createRequestRows, type RequestRows } from './request-rows.ts'

interface Parts {
  readonly rows: Pick<RequestRows, 'decisionsOn' | 'approvalsOf' | 'approversOf' | 'approvedBy'>
  readonly users: Pick<Users, 'getAll' | 'holding'>
  readonly roles: Pick<Roles, 'getAll'>
  readonly clock: Clock
}

/** In the store, or in a transaction on it. */
export function decidingOn(parts: { readonly database: Database; readonly clock: Clock }): Deciding {
  const rows = createRequestRows(parts.database)
  return createDeciding({ rows, users: createUsers(parts), roles: createRoles(parts), clock: parts.clock })
}

/** So many are named. */
const MOST_NAMED = 10

/** Those who may decide on it now: the first of them; `more`: there are others. */
export interface Deciders {
  readonly names: readonly string[]
  readonly more: boolean
}

type DecisionFacts = ApprovalFacts & {
  readonly offer: Offer
  readonly role: Role
  /** Those who have something now, or will, by the requester's approval. */
  readonly debtors: readonly User[]
  /** Why it gives nothing any more. */
  readonly withdrawn: string | undefined
}

export type Deciding = ReturnType<typeof createDeciding>

export function createDeciding({ rows, users, roles, clock }: Parts) {
  /** What a decision on each rests on, by its id; none of what waits for none, or can be given no more. */
  async function factsOfAll(requests: readonly RequestedAccess[]): Promise<Map<string, DecisionFacts>> {
    const pending = requests.filter(({ state }) => state.is === 'pending')
    if (pending.length === 0) return new Map()
    const [approvals, known, owing] = await Promise.all([
      rows.approvalsOf(pending.map(({ id }) => id)),
      rolesByName(pending.map(({ role }) => role)),
      rows.approvedBy([...new Set(pending.map(({ user }) => user))]),
    ])
    const approvers = [...approvals.values()].flatMap(some => some.map(({ approver }) => approver))
    const people = await usersByName([...pending.map(({ user }) => user), ...approvers, ...[...owing.values()].flat()])
    const now = clock.now()
    return new Map(
      pending.flatMap(request => {
        const { id, state, user, role, withdrawn } = request
        const offer = offerIn(known.get(role), request)
        const requester = people.get(user)
        if (state.is !== 'pending' || offer === undefined) return []
        if (requester === undefined || requester.disabled || !requester.roles.includes(role)) return []
        const { stage, stageSince } = state
        const given = (approvals.get(id) ?? []).map(one => ({ approver: people.get(one.approver), stage: one.stage }))
        const debtors = (owing.get(user) ?? []).flatMap(name => people.get(name) ?? [])
        return [[id, { ...offer, requester, stage, stageSince, now, approvals: given, debtors, withdrawn }]]
      }),
    )
  }

  async function usersByName(names: readonly string[]): Promise<Map<string, User>> {
    return new Map((await users.getAll([...new Set(names)])).map(one => [one.name, one]))
  }

  async function rolesByName(names: readonly string[]): Promise<Map<string, Role>> {
    return new Map((await roles.getAll([...new Set(names)])).map(one => [one.name, one]))
  }

  /** Of each of these approvers: who has approved what they have now, or will. */
  async function creditorsOf(approvers: readonly string[]): Promise<Map<string, User[]>> {
    const names = await rows.approversOf(approvers)
    const people = names.size === 0 ? new Map() : await usersByName([...names.values()].flat())
    return new Map([...names].map(([approver, those]) => [approver, those.flatMap(name => people.get(name) ?? [])]))
  }

  function verdict(facts: DecisionFacts | undefined, approver: User, creditors: readonly Decider[] = []): MayDecide {
    if (facts === undefined) return { may: false, knows: false, why: 'It waits for no decision any more.' }
    // By whichever of the requester's users, or to whichever of the approver's.
    const owes =
      creditors.some(one => samePerson(one, facts.requester)) || facts.debtors.some(one => samePerson(one, approver))
    const may = mayDecide(facts, approver, owes)
    if (!may.may || facts.withdrawn === undefined) return may
    return { may: false, knows: true, why: `The request is over: ${facts.withdrawn}.` }
  }

  /** Those of these who may decide on it. */
  async function decidersAmong(request: RequestedAccess, approvers: readonly User[]): Promise<User[]> {
    const [facts, creditors] = await Promise.all([
      factsOfAll([request]),
      creditorsOf(approvers.map(({ name }) => name)),
    ])
    return approvers.filter(one => verdict(facts.get(request.id), one, creditors.get(one.name)).may)
  }

  return {
    /** With what that rests on. */
    async mayDecideOn(request: RequestedAccess, approver: User) {
      const [all, creditors] = await Promise.all([factsOfAll([request]), creditorsOf([approver.name])])
      const facts = all.get(request.id)
      const may = verdict(facts, approver, creditors.get(approver.name))
      return may.may ? { ...may, facts: facts! } : may
    },

    /** Those of these on which they may decide, in their order. */
    async decidableAmong(requests: readonly RequestedAccess[], approver: User): Promise<RequestedAccess[]> {
      const [facts, creditors] = await Promise.all([factsOfAll(requests), creditorsOf([approver.name])])
      return requests.filter(({ id }) => verdict(facts.get(id), approver, creditors.get(approver.name)).may)
    },

    decidersAmong,

    async decidersOf(request: RequestedAccess): Promise<Deciders> {
      const facts = (await factsOfAll([request])).get(request.id)
      const stage = facts && stagesOf(facts.offer)[facts.stage]
      if (facts === undefined || stage === undefined) return { names: [], more: false }
      const meant = [...stage.groups.flatMap(({ of }) => of), ...(stage.escalateTo ?? [])]
      const names: string[] = []
      for await (const some of peopleMeant(users, meant, facts.requester)) {
        names.push(...(await decidersAmong(request, some)).map(({ name }) => name))
        if (names.length > MOST_NAMED) break
      }
      return { names: names.slice(0, MOST_NAMED), more: names.length > MOST_NAMED }
    },

    decided: async ({ id }: RequestedAccess, user: string) =>
      (await rows.decisionsOn(id)).some(({ approver }) => approver === user),
  }
}
