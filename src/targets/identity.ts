/**
 * What a target is to a credential: everything by which a changed entry could send the secret elsewhere, or give it away. Not its labels,
 * description, other accounts, or what only a person sees.
 */

import { z } from 'zod'
import type { Fields, ProtocolFacts } from '../protocols/facts.ts'
import { protocolOf, protocols, type RegisteredProtocol } from '../protocols/registered.ts'
import { fingerprint } from '../shared/ssh-encoding/fingerprint.ts'
import { type Account, loginOf, type Target } from './target.ts'

/** `via`: through whom; where it is not said, directly. */
const common = { host: z.string(), port: z.number(), via: z.string().optional(), login: z.string() }

type IdentitySchema<P extends RegisteredProtocol> = P extends unknown
  ? z.ZodObject<Fields<typeof common & { protocol: z.ZodLiteral<P['name']> }, P['identity']['fields']>, z.core.$strict>
  : never

function schemaOf({ name, identity }: ProtocolFacts) {
  return z.strictObject({ protocol: z.literal(name), ...common, ...identity.fields })
}

/** Of a target of every registered protocol. */
export const identitySchema = z.lazy(() => {
  const [first, ...others] = protocols().map(schemaOf)
  return z.discriminatedUnion('protocol', [first!, ...others])
}) as unknown as z.ZodType<TargetIdentity>

export type TargetIdentity = z.output<IdentitySchema<RegisteredProtocol>>

/** The identity of a target for one of its accounts. Never throws: what cannot be read is an identity of its own. */
export function identityOf(target: Target, account: string): TargetIdentity {
  const logins = target.accounts.filter(({ name }) => name === account).map(namesOf)
  // An account that is there twice is none of the two; no login has the characters between.
  const login = logins.length === 0 ? account : logins.join('\n')
  const { protocol, host, port, via } = target
  // Absent where it is not given: then the identity is the same as before there was `via`.
  const address = { host, port, ...(via === undefined ? {} : { via }) }
  return { protocol, ...address, login, ...protocolOf(protocol).identity.of(target) } as TargetIdentity
}

function namesOf(account: Account): string {
  return account.logins?.join('\t') ?? loginOf(account)
}

/** Where connections to it go; not what it shows there. */
export function networkAddressOf({ host, port, via }: Pick<Target, 'host' | 'port' | 'via'>): string {
  return `${host}:${port}${via === undefined ? '' : ` via ${via}`}`
}

/** Names an identity: `SHA256:…` of its canonical text. */
export function fingerprintOf(identity: TargetIdentity): string {
  return fingerprint(canonical(identity))
}

/**
 * Whether a credential that was confirmed for one identity may be used for another as it is: where nothing changed, or where it only got
 * stricter. So a pinned key of several may be taken away, but none added.
 */
export function staysWithin(now: TargetIdentity, confirmed: TargetIdentity): boolean {
  // Whoever chooses the way chooses who answers, where nothing is verified at its end.
  const same = (['protocol', 'host', 'port', 'via', 'login'] as const).every(part => now[part] === confirmed[part])
  return same && protocolOf(now.protocol).identity.within(now, confirmed)
}

/** The names of the parts that differ, for a log: `host, hostKeys`. */
export function changedParts(now: TargetIdentity, confirmed: TargetIdentity): string {
  const [a, b] = [now, confirmed] as Record<string, unknown>[]
  const parts = [...new Set([...Object.keys(a!), ...Object.keys(b!)])]
  return parts.filter(part => JSON.stringify(a![part]) !== JSON.stringify(b![part])).join(', ')
}

/** The same text for the same identity, whatever the order in which it was put together. */
function canonical(identity: TargetIdentity): string {
  return JSON.stringify(Object.entries(identity).sort(([a], [b]) => (a < b ? -1 : 1)))
}
