/** The first step of the pipeline: asks for proofs until one list of factors that policy accepts is proven in full. */

import type { Attempt, Authenticator } from '../../identity/authenticator.ts'
import { type ProtocolName, protocolOf } from '../../protocols/registered.ts'
import { isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import { formatFactorLists, nextFactors } from '../../shared/factor-lists.ts'
import type { Factor } from '../../shared/factors.ts'
import { LATER_FACTORS } from '../../shared/factors.ts'
import { type LoginName, parseLoginName } from '../../shared/names.ts'
import type { Access, FactorRequirement, LoginRequest } from '../access.ts'
import type { LoginClient } from '../protocol.ts'
import type { SessionAudit } from '../records/session-audit.ts'
import type { Authenticated } from './authenticated.ts'

/** For those alone who have shown the right password or key, and a code that was right: nobody else learns anything from it. */
const USED_CODE = 'This one-time code has counted already, and it is good for one connection: wait for the next one.'

interface Parts {
  readonly authenticator: Authenticator
  readonly access: Access
  readonly sessionAudit: SessionAudit
  /** How many proofs may be wrong in one login. */
  readonly maxTries: (protocol: ProtocolName) => number
}

/**
 * Resolves to the proof of who it is, or to the refusal to show, which is in the audit log then. `outer`: the login around a connection that
 * is inside of one.
 */
export async function authenticate(
  parts: Parts,
  client: LoginClient,
  session: string,
  outer: Authenticated | undefined,
): Promise<Authenticated | Refusal> {
  const who = await collectProofs(parts, client, outer)
  // A client that disconnects at the first prompt made no attempt.
  if (isRefusal(who) && who.code !== 'LOGIN_ABANDONED') await parts.sessionAudit.loginRefused(client, session, who)
  return who
}

async function collectProofs(
  parts: Parts,
  client: LoginClient,
  outer: Authenticated | undefined,
): Promise<Authenticated | Refusal> {
  const login = parseLoginName(client.login)
  if (isRefusal(login)) return login
  const { protocol, database, source } = client
  const request = { protocol, login, database }
  if (outer !== undefined) return authenticateInside(parts, client, request, outer)
  const attempt = await parts.authenticator.begin(login.user, source)
  if (isRefusal(attempt)) return attempt
  const requirement = await parts.access.requirement(attempt.roles, request, source.address)
  return prove(parts, client, login, attempt, requirement)
}

/**
 * The person is the one of the connection around, and has proven there what she has. A code that this target demands beyond that is asked
 * for; anything else that is missing belongs to the connection around.
 */
async function authenticateInside(
  parts: Parts,
  client: LoginClient,
  request: LoginRequest,
  { attempt: around, renew }: Authenticated,
): Promise<Authenticated | Refusal> {
  const { login } = request
  const attempt = around.inside()
  if (isRefusal(attempt)) return attempt
  const person = await renew()
  if (person === undefined || person.user !== login.user) {
    return refuse('LOGIN_REFUSED', 'The login around this connection is no longer good. Log in again.')
  }
  const requirement = await parts.access.requirement(person.roles, request, person.sourceAddress)
  const { factors } = requirement
  const principal = await attempt.principal(factors)
  if (principal !== undefined) {
    return { login, principal, trail: [], renew: () => attempt.principal(factors), attempt }
  }
  const next = nextFactors(factors, attempt.proven).filter(factor => LATER_FACTORS.includes(factor))
  if (next.length > 0) return prove(parts, client, login, attempt, requirement, next)
  const message = `Access denied now: needs ${formatFactorLists(factors)}. Log in to the gateway with that.`
  return refuse('ACCESS_DENIED', message, `proven around it: ${[...attempt.proven].join(', ')}`)
}

/**
 * Asks for proofs until there are enough; `first`: which may come, where that is not what the requirement says. Whoever goes on after as many
 * wrong ones as a login may have, or shows again what is proven, is looked at no more: an honest side of the user has closed by then.
 */
async function prove(
  { maxTries }: Pick<Parts, 'maxTries'>,
  client: LoginClient,
  login: LoginName,
  attempt: Attempt,
  requirement: FactorRequirement,
  first?: readonly Factor[],
): Promise<Authenticated | Refusal> {
  const { protocol } = client
  const { trail } = attempt
  let tries = 0
  while (true) {
    const proof = await client.nextProof(first)
    if (proof === undefined) {
      const code = client.answered ? 'LOGIN_REFUSED' : 'LOGIN_ABANDONED'
      const { loginRefused, usedCode } = protocolOf(protocol).words
      const text = attempt.usedCode ? [USED_CODE, usedCode].filter(Boolean).join(' ') : loginRefused
      return refuse(code, text, trail.join('; ') || 'nothing was proven')
    }
    if (tries >= maxTries(protocol)) {
      const why = [...trail, 'more tries than one login may have'].join('; ')
      return refuse('TOO_MANY_TRIES', 'Too many tries on one connection.', why)
    }
    const before = attempt.proven.size
    const accepted = await attempt.verify(proof, { ...requirement, until: client.loginOver })
    if (attempt.proven.size === before) tries++
    const principal = accepted ? await attempt.principal(requirement.factors) : undefined
    if (principal !== undefined) {
      return { login, principal, trail, renew: () => attempt.principal(requirement.factors), attempt }
    }
    const next = nextFactors(requirement.factors, attempt.proven)
    client.askFor(first === undefined ? next : next.filter(factor => first.includes(factor)), accepted)
  }
}
