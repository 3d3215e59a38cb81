/** Gathers the facts that policy decides on, from the stores of today, and asks it. */

import type { Principal, PrincipalFacts } from '../identity/principal.ts'
import type { ApprovedAccess } from '../policy/approved.ts'
import { authorize, type Denial } from '../policy/authorize.ts'
import { type CheckOutDenied, type CheckOutTerms, decideCheckOut } from '../policy/check-out.ts'
import { type Decision, decide } from '../policy/decide.ts'
import type { AccessFacts } from '../policy/evaluate-role.ts'
import type { Grant } from '../policy/grant.ts'
import { decideLogin, type LoginTerms, loginFactors, mayKnow } from '../policy/login.ts'
import { type Reachable, reachableAmong } from '../policy/reachable.ts'
import { askAdvice } from '../policy/request-command.ts'
import { rememberFactorMs, requiredFactors } from '../policy/required-factors.ts'
import type { Roles } from '../policy/roles.ts'
import type { GivenWords } from '../policy/session-conditions.ts'
import { type ProtocolName, protocolOf } from '../protocols/registered.ts'
import type { Clock } from '../shared/clock.ts'
import { type Refusal, refuse } from '../shared/errors.ts'
import type { FactorLists } from '../shared/factor-lists.ts'
import type { Factor } from '../shared/factors.ts'
import { LATER_FACTORS } from '../shared/factors.ts'
import type { AccountAddress, LoginName } from '../shared/names.ts'
import type { Target } from '../targets/target.ts'
import type { Targets } from '../targets/targets.ts'

export interface FactorRequirement {
  /** One of these lists must be proven in full; never empty. */
  readonly factors: FactorLists
  /** How long a fresh factor of the same user and source counts, in milliseconds; 0: never. */
  readonly rememberFactorMs: number
}

/** What a connection asks for: by its login name, and the database that its client names, if any. */
export interface LoginRequest {
  readonly protocol: ProtocolName
  readonly login: LoginName
  readonly database: string | undefined
}

/** No protocol: the target's own, whichever it is. */
type Asked = Omit<LoginRequest, 'protocol'> & { readonly protocol: ProtocolName | undefined }

/** A session that is decided anew: as if it began when it did, and by what it rests on. */
export interface RunningSession {
  readonly since: number
  /** The approved request; others of the user's count for nothing here. */
  readonly request: string | undefined
}

export interface Access {
  /** What must be proven for this login. An unknown user has no roles, and gets the gateway's default. */
  requirement(roles: readonly string[], request: LoginRequest, sourceAddress: string): Promise<FactorRequirement>
  /** `words`: what they say of the session, checked. `running`: of a session that is open. */
  decide(
    principal: Principal,
    session: string,
    request: LoginRequest & { words?: GivenWords },
    running?: RunningSession,
  ): Promise<Grant | Denial>
  /** Whether this approved request of the user gives anything now. */
  gives(user: string, request: string): Promise<boolean>
  /** Whether a login that names no target is let in, and for how long. */
  decideLogin(principal: Principal): Promise<LoginTerms | Refusal>
  /**
   * What would be decided for somebody who is logged in without a target, without granting; what may be asked for when it is opened counts as
   * proven. Its `message` is for the person, its `detail` is not.
   */
  look(principal: PrincipalFacts, address: { account?: string; target: string }): Promise<Looked>
  /** What policy gives for a check-out of the account, by what is proven; nothing is granted by it. */
  checkOutTerms(principal: PrincipalFacts, address: AccountAddress): Promise<CheckOutTerms | CheckOutDenied>
  /** Every account that `look` says yes to, in no order; with `names`, those of these targets. */
  reachable(principal: PrincipalFacts, names?: readonly string[], withOffered?: boolean): Promise<Reachable[]>
  /**
   * What the person may know of: targets of which a role of theirs speaks, or one account of those. It opens nothing. The roles are read
   * once, so that the time it takes does not tell what there is.
   */
  known(principal: PrincipalFacts): Promise<(target: Target, account?: string) => boolean>
}

/** `advice`: how to ask for what would be given on request, for the person. */
export type Looked = Decision & { readonly advice?: string }

/** The user's requests that were approved and are not over. */
export type ApprovedOf = (user: string) => Promise<readonly ApprovedAccess[]>

/** Targets are read and evaluated so many at a time: others have their turn in between. */
const TARGETS_AT_ONCE = 500

/** `ssh alice@gateway`: the gateway itself answers, where the protocol has such a login. */
export function namesNoTarget({ protocol, login }: Pick<LoginRequest, 'protocol' | 'login'>): boolean {
  return protocolOf(protocol).selfService && login.target === undefined
}

export function createAccess(parts: {
  roles: Roles
  targets: Targets
  approvedOf: ApprovedOf
  clock: Clock
  defaults: FactorLists
}): Access {
  const { roles, targets, approvedOf, clock, defaults } = parts

  async function gather(held: readonly string[], { protocol, login, database }: Asked): Promise<AccessFacts> {
    const { user, account, target } = login
    // At once: a login waits for the store's slowest answer, and not for each in turn.
    const [found, heldRoles, approved] = await Promise.all([
      target === undefined ? undefined : targets.get(target),
      roles.heldBy({ roles: held, disabled: false }),
      // Asked whoever it is, and before anything is proven: its time must not tell users from unknown names.
      approvedOf(user),
    ])
    return {
      request: {
        protocol: protocol ?? found?.protocol,
        ...(account === undefined ? {} : { account }),
        ...(target === undefined ? {} : { target }),
        ...(database === undefined ? {} : { database }),
      },
      target: found,
      roles: heldRoles,
      approved,
      defaults,
      now: clock.now(),
    }
  }

  return {
    async requirement(held, request, sourceAddress) {
      if (namesNoTarget(request)) {
        const heldRoles = await roles.heldBy({ roles: held, disabled: false })
        const facts = { roles: heldRoles, defaults, sourceAddress, now: clock.now() }
        return { factors: loginFactors(facts), rememberFactorMs: 0 }
      }
      const facts = { ...(await gather(held, request)), sourceAddress }
      return { factors: requiredFactors(facts), rememberFactorMs: rememberFactorMs(facts) }
    },
    async decide(principal, session, request, running) {
      const login = { ...request.login, user: principal.user }
      const { words = {} } = request
      const facts = { ...(await gather(principal.roles, { ...request, login })), principal, session, words }
      if (running === undefined) return authorize(facts)
      const approved = facts.approved?.filter(one => one.request === running.request)
      return authorize({ ...facts, approved, since: running.since })
    },
    gives: async (user, request) => (await approvedOf(user)).some(one => one.request === request),
    async decideLogin({ roles: held, proven, sourceAddress }) {
      const heldRoles = await roles.heldBy({ roles: held, disabled: false })
      const decision = decideLogin({ roles: heldRoles, defaults, sourceAddress, now: clock.now() }, proven)
      return decision.granted ? decision : refuse('ACCESS_DENIED', decision.message, decision.detail)
    },
    async look({ user, roles: held, proven, sourceAddress }, address) {
      const login = { user, ...address }
      const facts = await gather(held, { protocol: undefined, login, database: undefined })
      const decision = decide({ ...facts, sourceAddress }, withAskable(proven))
      const offered = decision.granted ? undefined : decision.onRequest[0]
      return offered === undefined ? decision : { ...decision, advice: askAdvice(user, offered) }
    },
    async checkOutTerms({ user, roles: held, proven, sourceAddress }, address) {
      const login = { user, ...address }
      const facts = await gather(held, { protocol: undefined, login, database: undefined })
      return decideCheckOut({ ...facts, sourceAddress }, proven)
    },
    async reachable({ user, roles: held, proven, sourceAddress }, names, withOffered) {
      const heldRoles = await roles.heldBy({ roles: held, disabled: false })
      const facts = { roles: heldRoles, approved: await approvedOf(user), defaults, sourceAddress, now: clock.now() }
      const among = reachableAmong(facts, withAskable(proven), withOffered)
      if (names !== undefined) return among(await targets.getAll(names))
      const found: Reachable[] = []
      for await (const some of targets.pages(TARGETS_AT_ONCE)) found.push(...among(some))
      return found
    },
    async known({ roles: held }) {
      const heldRoles = await roles.heldBy({ roles: held, disabled: false })
      return (target, account) => {
        const request = { protocol: target.protocol, target: target.name }
        return mayKnow({ request, target, roles: heldRoles, defaults, now: clock.now() }, account)
      }
    },
  }
}

function withAskable(proven: ReadonlySet<Factor>): ReadonlySet<Factor> {
  return new Set([...proven, ...LATER_FACTORS])
}
