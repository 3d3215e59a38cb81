/** Who calls the API: the owner (whoever can open the Unix socket) or the holder of a token, and what they may do. */

import type { IncomingMessage } from 'node:http'
import type { Audit } from '../audit/event.ts'
import type { Documents } from '../database/documents.ts'
import { isPersonalTokenText, PERSONAL_TOKEN_PREFIX } from '../identity/token-text.ts'
import type { Tokens } from '../identity/tokens.ts'
import type { User } from '../identity/user.ts'
import type { Holder, PersonalAccess } from '../session/personal-access.ts'
import type { Clock } from '../shared/clock.ts'
import { type Refusal, refuse } from '../shared/errors.ts'
import type { Metrics } from '../shared/metrics.ts'
import { networkOf } from '../shared/network/source-network.ts'
import { EVERY_SCOPE, formatScopes, type Scope } from '../shared/scopes.ts'
import type { ApiPeer } from './listeners.ts'

export interface Caller {
  /** `owner`, or the user that the token speaks for: the actor in the audit log. */
  readonly actor: string
  /** What they may do now; the owner everything. */
  readonly scopes: ReadonlySet<Scope>
  /** The same as people read it: the token's own words, or `owner`. */
  readonly held: string
  /** The token's name; none for the owner. */
  readonly token?: string
  /** Of a personal token, which speaks for a person as they are now. */
  readonly personal?: Holder
  /** `socket`, or the address of the peer. */
  readonly source: string
}

export const OWNER: Caller = { actor: 'owner', scopes: EVERY_SCOPE, held: 'owner', source: 'socket' }

export interface Authentication {
  /** The holder of the token in the request's Authorization header. */
  callerOf(request: IncomingMessage, peer: ApiPeer | undefined): Promise<Caller | Refusal>
  /** What the same token may do now; nothing where it is none any more. Leaves no trace. */
  scopesNow(request: IncomingMessage, source: string): Promise<ReadonlySet<Scope>>
}

/** So long an address gets no more than a short no after too many failures. A token that is good is good all the while. */
export const REFUSAL_WINDOW_MS = 60_000
const TRIES_PER_WINDOW = 10
const NETWORKS_KEPT = 10_000

interface Parts {
  tokens: Tokens
  personalAccess: PersonalAccess
  users: Documents<User>
  audit: Audit
  clock: Clock
  metrics: Metrics
}

export function createAuthentication({ tokens, personalAccess, users, audit, clock, metrics }: Parts): Authentication {
  const failures = createFailures(clock)

  async function holderOf(header: string | undefined, source: string): Promise<Omit<Caller, 'source'> | string> {
    if (header === undefined) return 'no token'
    const text = /^Bearer +(\S+)$/i.exec(header)?.[1]
    if (text?.startsWith(PERSONAL_TOKEN_PREFIX)) return personOf(text, source)
    const token = text === undefined ? undefined : await tokens.find(text)
    if (token === undefined) return 'token unknown or expired'
    // A token ends with its user: whoever is removed or disabled has no way in through an old one.
    const user = await users.get(token.user)
    if (user === undefined || user.disabled) return `the token's user ${token.user} is removed or disabled`
    return { actor: token.user, scopes: token.scopes, held: token.scope, token: token.name }
  }

  async function personOf(text: string, source: string): Promise<Omit<Caller, 'source'> | string> {
    if (!isPersonalTokenText(text)) return 'a personal token that was cut or mistyped'
    const personal = await personalAccess.use(text, source)
    if (personal === undefined) return 'personal token unknown or expired, or its user removed or disabled'
    const { token, scopes } = personal
    const withheld = formatScopes(token.scopes.difference(scopes))
    const held = `${formatScopes(scopes) || 'none'}${withheld === '' ? '' : ` (no role gives ${withheld} now)`}`
    return { actor: token.user, scopes, held, token: token.name, personal }
  }

  return {
    async callerOf(request, peer) {
      const source = peer?.source.address ?? 'unknown'
      const network = networkOf(source)
      // First, whoever else is behind the address: a token of 256 bits cannot be guessed, so there is nothing to hold up for.
      const holder = await holderOf(request.headers.authorization, source)
      if (typeof holder !== 'string') {
        peer?.slot.authenticated()
        return { ...holder, source }
      }
      peer?.slot.blame('failure')
      if (failures.blocked(network)) {
        metrics.logins.inc({ protocol: 'api', result: 'locked' })
        await audit.append({ kind: 'api.refused', actor: 'gateway', data: { reason: holder, source } })
        return refuse('TOO_MANY_TRIES', 'Too many requests without a valid token came from this address.')
      }
      metrics.logins.inc({ protocol: 'api', result: 'refused' })
      const tries = failures.add(network)
      await audit.append({
        kind: 'api.refused',
        actor: 'gateway',
        data: { reason: holder, source, ...(tries === TRIES_PER_WINDOW ? { blockedForMs: REFUSAL_WINDOW_MS } : {}) },
      })
      return refuse('UNAUTHENTICATED', 'A valid token is needed.', holder)
    },
    async scopesNow(request, source) {
      const holder = await holderOf(request.headers.authorization, source)
      return typeof holder === 'string' ? new Set() : holder.scopes
    },
  }
}

export function holdsOneOf({ scopes }: Caller, needed: readonly Scope[]): boolean {
  return needed.some(scope => scopes.has(scope))
}

/**
 * Failures per network (an IPv4 address, or an IPv6 /64). It lives in this process: a token cannot be guessed, so what is bounded here is the noise in
 * the audit log, which each gateway does for itself (also while the cluster is away).
 */
function createFailures(clock: Clock) {
  const byNetwork = new Map<string, { count: number; since: number }>()
  return {
    blocked(network: string): boolean {
      const entry = byNetwork.get(network)
      return entry !== undefined && clock.now() - entry.since < REFUSAL_WINDOW_MS && entry.count >= TRIES_PER_WINDOW
    },
    add(network: string): number {
      const now = clock.now()
      const known = byNetwork.get(network)
      const entry = known !== undefined && now - known.since < REFUSAL_WINDOW_MS ? known : { count: 0, since: now }
      entry.count++
      byNetwork.delete(network)
      byNetwork.set(network, entry)
      // A Map keeps the order of insertion: the first is the one that failed least recently.
      if (byNetwork.size > NETWORKS_KEPT) byNetwork.delete(byNetwork.keys().next().value!)
      return entry.count
    },
  }
}
