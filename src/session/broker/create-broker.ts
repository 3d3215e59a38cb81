/** The broker of sessions, in the process that holds the vault's key: it keeps what is proven and decided, and lends by that alone. */

import type { Authenticator } from '../../identity/authenticator.ts'
import type { Principal } from '../../identity/principal.ts'
import type { Source } from '../../identity/proof.ts'
import type { Grant } from '../../policy/grant.ts'
import type { ProtocolName } from '../../protocols/registered.ts'
import type { Clock } from '../../shared/clock.ts'
import { GatewayError, isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import type { AccountAddress } from '../../shared/names.ts'
import { networkAddressOf } from '../../targets/identity.ts'
import { type FindTarget, findRoute, type Hop, hopName, type NamedHop } from '../../targets/route.ts'
import { loginOf } from '../../targets/target.ts'
import type { Targets } from '../../targets/targets.ts'
import type { Lease } from '../../vault/lease.ts'
import type { Access } from '../access.ts'
import type { LoginClient } from '../protocol.ts'
import { endSession } from '../records/end-session.ts'
import type { Ending } from '../records/session-store.ts'
import { GATEWAY_STOPPING } from '../session-end.ts'
import { authenticate } from '../steps/authenticate.ts'
import type { Authenticated } from '../steps/authenticated.ts'
import type { Authorized } from '../steps/authorize-session.ts'
import { type AskingParts, authorizeWithWords } from '../steps/authorize-with-words.ts'
import { type LendingParts, lendCredential } from '../steps/lend-credential.ts'
import type { SessionBroker } from './broker.ts'
import { createModeration, type ModerationParts } from './moderation.ts'

export interface BrokerParts
  extends LendingParts,
    Pick<AskingParts, 'waitingLogins' | 'askForAccess'>,
    Omit<ModerationParts, 'sessionAudit' | 'log'> {
  readonly authenticator: Authenticator
  readonly access: Access
  readonly targets: Pick<Targets, 'get'>
  /** The target refused a login with the credential of this account. Never rejects. */
  readonly loginRefused: (address: AccountAddress) => Promise<void>
  /** How many proofs may be wrong in one login. */
  readonly maxTries: (protocol: ProtocolName) => number
  readonly clock: Clock
}

interface Decided {
  readonly authorized: Authorized
  /** The address that it comes from. */
  readonly source: string
}

interface Asked {
  readonly is: 'asked'
}

/** It was lent its credential, or refused it: there is no second time. */
interface Lent extends Decided {
  readonly is: 'lent'
  readonly startedAt: number
  /** What is being lent, and not handed over yet. */
  readonly lending: Set<Promise<unknown>>
  /** Whose credentials were lent, the granted one first: where there is one, row and leases must end. */
  readonly accounts: AccountAddress[]
  /** The name at the target that its credential is for. */
  login?: string
}

interface OpenLogin {
  readonly is: 'login'
  readonly who: Authenticated
  readonly protocol: ProtocolName
  readonly source: Source
  readonly endsAt: number
}

/** How far a session, or a login, has come. There is no way back. */
type Held = Asked | OpenLogin | ({ readonly is: 'granted' } & Decided) | Lent | { readonly is: 'over' }

/** How far a session has come, as the one who keeps the table of requests asks. */
export type SessionState = Held['is']

/** What is asked inside of a login that names no target. */
export interface HeldLogin {
  readonly user: string
  readonly protocol: ProtocolName
  readonly source: Source
  /** False once its time is over. */
  readonly mayOpen: boolean
  /** Undefined once they could not log in like this any more. */
  person(): Promise<Principal | undefined>
}

export interface LentSession {
  readonly grant: Grant
  /** In milliseconds since the epoch. */
  readonly startedAt: number
  /** Whose credentials were lent to it: that of its own account, once that is stored, then those of the accounts that it goes through. */
  readonly accounts: readonly AccountAddress[]
}

export interface HeldSessions extends Omit<SessionBroker, 'lease'> {
  lease(of: { readonly session: string }, details: Record<string, string>): Promise<Lease | Refusal>
  stateOf(session: string): SessionState | undefined
  /** Whether that login has just begun with a code that no act has taken yet; takes it. */
  takeCode(session: string): boolean
  /** Throws `SESSION_ENDED`. */
  login(session: string): HeldLogin
  /** Those that a credential was lent to, and that have not ended. */
  lent(): LentSession[]
}

export function createBroker(parts: BrokerParts): HeldSessions {
  const { access, vault, changes, sessionAudit, clock } = parts
  const sessions = new Map<string, Held>()
  const moderation = createModeration(parts)
  const find: FindTarget = name => parts.targets.get(name)

  function held<K extends Held['is']>(session: string, ...states: K[]): Extract<Held, { is: K }> {
    const known = sessions.get(session)
    if (known !== undefined && states.some(state => state === known.is)) return known as Extract<Held, { is: K }>
    throw new GatewayError('SESSION_ENDED', 'The session has not come that far, or has ended.')
  }

  const grantOf = (session: string) => held(session, 'granted', 'lent').authorized.grant

  function ask(session: string): Asked {
    if (sessions.has(session)) throw new GatewayError('CONFLICT', 'There is a session of this id already.')
    const asked: Asked = { is: 'asked' }
    sessions.set(session, asked)
    return asked
  }

  /** It was given back while it was being decided: then nothing comes of it. */
  function decided(session: string, asked: Asked, next: Held): void {
    if (sessions.get(session) !== asked) throw new GatewayError('SESSION_ENDED', 'The session has ended.')
    sessions.set(session, next)
  }

  /** What was being lent when the session ended is not handed over. */
  async function lend<L extends Lease | Refusal>(session: string, lent: Lent, lending: Promise<L>): Promise<L> {
    lent.lending.add(lending)
    try {
      const lease = await lending
      if (isRefusal(lease)) return lease
      if (sessions.get(session) === lent) return lease
      lease.erase()
      throw new GatewayError('SESSION_ENDED', 'The session has ended.')
    } finally {
      lent.lending.delete(lending)
    }
  }

  /** Written down behind what is still being lent: a lease that begins after its end would have none. */
  async function finish({ authorized, lending }: Lent, ending: Ending): Promise<void> {
    await Promise.allSettled(lending)
    await endSession(parts, authorized.grant, ending)
  }

  /** Nothing stays lent to a session whose end nobody told. */
  async function giveBack(lent: Lent): Promise<void> {
    await Promise.allSettled(lent.lending)
    if (lent.accounts.length === 0) return
    const { session } = lent.authorized.grant
    parts.log.error({ session }, 'a session was given back without its end: it is ended as interrupted')
    await finish(lent, { reason: 'interrupted' })
  }

  /** What is asked for inside of another login is asked for by whoever logged in there. */
  async function prove(session: string, client: LoginClient): Promise<Authenticated | Refusal> {
    const outer = client.outer === undefined ? undefined : held(client.outer, 'login').who
    return authenticate(parts, client, session, outer)
  }

  async function leaseFor(lent: Lent, details: Record<string, string>): Promise<Lease | Refusal> {
    const { authorized, source, accounts } = lent
    const lease = await lendCredential(parts, authorized, source, details)
    if (isRefusal(lease)) return lease
    accounts.push(lease.address)
    lent.login = loginOf(authorized.grant.account, lease.material)
    return lease
  }

  async function leaseForHop({ authorized, accounts }: Lent, wanted: NamedHop): Promise<Lease> {
    const { grant } = authorized
    const hop = granted(await hopOnTheWay(grant, wanted, find))
    const promised = granted(await vault.lease(grant, hop))
    await changes.lendForHop(promised, hop)
    accounts.push(promised.address)
    return granted(promised.open())
  }

  async function personOf({ renew }: Authenticated): Promise<Principal | undefined> {
    const person = await renew()
    return person === undefined || isRefusal(await access.decideLogin(person)) ? undefined : person
  }

  return {
    async admit(session, client) {
      if (parts.stopping()) return GATEWAY_STOPPING
      const asked = ask(session)
      const who = await prove(session, client)
      if (isRefusal(who)) return who
      const authorized = await authorizeWithWords(parts, client, session, who)
      if (isRefusal(authorized)) return authorized
      decided(session, asked, { is: 'granted', authorized, source: client.source.address })
      return authorized.grant
    },

    async admitLogin(session, client) {
      if (parts.stopping()) return GATEWAY_STOPPING
      const asked = ask(session)
      const who = await prove(session, client)
      if (isRefusal(who)) return who
      const terms = await access.decideLogin(who.principal)
      await sessionAudit.loginDecided(client, session, who, terms)
      if (isRefusal(terms)) return terms
      const { protocol, source } = client
      decided(session, asked, { is: 'login', who, protocol, source, endsAt: terms.endsAt })
      return { principal: who.principal, terms }
    },

    async stillAllowed(session) {
      return held(session, 'granted', 'lent').authorized.stillAllowed()
    },

    async loginStillAllowed(session) {
      return (await personOf(held(session, 'login').who)) !== undefined
    },

    async person(session) {
      return personOf(held(session, 'login').who)
    },

    async awaitModerator({ session }) {
      const { authorized, source } = held(session, 'granted')
      const refusal = await moderation.wait(authorized.grant, source, authorized.stillAllowed)
      if (sessions.get(session)?.is !== 'granted') throw new GatewayError('SESSION_ENDED', 'The session has ended.')
      if (refusal !== undefined) await sessionAudit.sessionRefused(authorized.grant, refusal)
      return refusal
    },

    async lease({ session }, details) {
      const known = held(session, 'granted')
      if (!moderation.mayBegin(known.authorized.grant))
        throw new GatewayError('FORBIDDEN', 'Nobody watches this session whom its roles demand.')
      const lent: Lent = { ...known, is: 'lent', startedAt: clock.now(), lending: new Set(), accounts: [] }
      sessions.set(session, lent)
      return lend(session, lent, leaseFor(lent, details))
    },

    async findHop({ session }, name) {
      const { grant } = held(session, 'lent').authorized
      const route = await findRoute(grant.target, find)
      // Of a broken way also what breaks it, so that it can be said.
      const onTheWay = route.kind === 'broken' || route.hops.some(({ target }) => target.name === name)
      return onTheWay ? find(name) : undefined
    },

    async lendForHop({ session }, wanted) {
      const lent = held(session, 'lent')
      return lend(session, lent, leaseForHop(lent, wanted))
    },

    async hopFailed({ session }, hop, error) {
      const { grant } = held(session, 'lent').authorized
      await sessionAudit.hopRefused(grant, hop, error)
      if (error.code !== 'TARGET_LOGIN_FAILED') return
      const known = await hopOnTheWay(grant, hop, find)
      if (!isRefusal(known)) await parts.loginRefused(addressOf(known))
    },

    async activate({ session }, atTarget) {
      const { authorized, login } = held(session, 'lent')
      const { grant } = authorized
      const known = { ...atTarget, address: networkAddressOf(grant.target), ...(login === undefined ? {} : { login }) }
      return changes.activate(grant, known)
    },

    async refused({ session }, refusal) {
      const grant = grantOf(session)
      await sessionAudit.sessionRefused(grant, refusal)
      if (refusal.code === 'TARGET_LOGIN_FAILED') await parts.loginRefused(addressOf(grant))
    },

    async channelDenied({ session }, what, why) {
      const known = held(session, 'login', 'lent')
      const { user } = known.is === 'login' ? known.who.principal : known.authorized.grant
      await sessionAudit.channelDenied({ user, session }, what, why)
    },

    async end({ session }, ending) {
      const known = held(session, 'granted', 'lent')
      sessions.set(session, { is: 'over' })
      moderation.forget(known.authorized.grant)
      // What was granted and never lent has nothing that could end.
      if (known.is === 'lent') await finish(known, ending)
    },

    async proveCode(session, answer) {
      const attempt = held(session, 'login').who.attempt.inside()
      if (isRefusal(attempt)) throw new GatewayError(attempt.code, attempt.message)
      return attempt.verify({ kind: 'totp', answer }, { rememberFactorMs: 0 })
    },

    takeCode: session => held(session, 'login').who.attempt.takeCode(),

    forget(session) {
      const known = sessions.get(session)
      sessions.delete(session)
      if (known?.is === 'granted' || known?.is === 'lent') moderation.forget(known.authorized.grant)
      if (known?.is !== 'lent') return
      void giveBack(known)
    },

    stateOf: session => sessions.get(session)?.is,

    login(session) {
      const { who, protocol, source, endsAt } = held(session, 'login')
      return {
        protocol,
        source,
        user: who.principal.user,
        get mayOpen() {
          return clock.now() < endsAt
        },
        person: () => personOf(who),
      }
    },

    lent: () =>
      [...sessions.values()].flatMap(one =>
        one.is === 'lent' ? [{ grant: one.authorized.grant, startedAt: one.startedAt, accounts: one.accounts }] : [],
      ),
  }
}

function addressOf({ account, target }: Pick<Grant, 'account' | 'target'>): AccountAddress {
  return { account: account.name, target: target.name }
}

function granted<T>(value: T | Refusal): T {
  if (isRefusal(value)) throw new GatewayError(value.code, value.detail ?? value.message)
  return value
}

/** The hop as its entry is now, where the way to the granted target goes through it. */
async function hopOnTheWay(grant: Grant, wanted: NamedHop, find: FindTarget): Promise<Hop | Refusal> {
  const route = await findRoute(grant.target, find)
  const hops = route.kind === 'broken' ? [] : route.hops
  const hop = hops.find(one => hopName(one) === hopName(wanted))
  if (hop !== undefined) return hop
  const why = `the way to the target does not go through ${hopName(wanted)}`
  return refuse('CREDENTIAL_UNAVAILABLE', 'The way to the target is another by now.', why)
}
