/**
 * What a target is to a credential: everything by which a changed entry could send the secret elsewhere, or give it away. Not its labels,
 * description, other accounts, or what only a person sees.
 */

import { createHash, X509Certificate } from 'node:crypto'
import { z } from 'zod'
import { parseHostKey } from './host-keys.ts'
import {
  CHANNEL_BINDINGS,
  loginOf,
  nameInCertificate,
  POSTGRES_METHODS,
  SSH_METHODS,
  type Target,
  TLS_MODES,
} from './target.ts'

const common = { host: z.string(), port: z.number(), login: z.string() }

export const identitySchema = z.discriminatedUnion('protocol', [
  z.strictObject({
    protocol: z.literal('ssh'),
    ...common,
    /** `ssh-ed25519 SHA256:…`, sorted. */
    hostKeys: z.array(z.string()),
    authentication: z.array(z.enum(SSH_METHODS)),
  }),
  z.strictObject({
    protocol: z.literal('postgres'),
    ...common,
    tls: z.enum(TLS_MODES),
    /** `SHA256:…` of each authority, sorted; `system`: those that the gateway's system trusts. */
    authorities: z.union([z.literal('system'), z.array(z.string())]),
    /** The name in the certificate. */
    serverName: z.string(),
    authentication: z.array(z.enum(POSTGRES_METHODS)),
    channelBinding: z.enum(CHANNEL_BINDINGS),
    leastIterations: z.number(),
  }),
])

export type TargetIdentity = z.output<typeof identitySchema>
type SshIdentity = Extract<TargetIdentity, { protocol: 'ssh' }>
type PostgresIdentity = Extract<TargetIdentity, { protocol: 'postgres' }>

/** The identity of a target for one of its accounts. Never throws: what cannot be read is an identity of its own. */
export function identityOf(target: Target, account: string): TargetIdentity {
  const logins = target.accounts.filter(({ name }) => name === account).map(loginOf)
  // An account that is there twice is none of the two; no login has the character between.
  const login = logins.length === 0 ? account : logins.join('\n')
  const { host, port } = target
  if (target.protocol === 'ssh') {
    return {
      ...{ protocol: 'ssh', host, port, login },
      hostKeys: target.hostKeys.map(hostKeyOf).sort(),
      // Not given: the credential's kind decides, and sends nothing to a host that lets anybody in.
      authentication: [...(target.authentication ?? SSH_METHODS.filter(method => method !== 'none'))].sort(),
    }
  }
  return {
    ...{ protocol: 'postgres', host, port, login },
    tls: target.tls,
    authorities: target.ca === undefined ? 'system' : authoritiesOf(target.ca),
    serverName: nameInCertificate(target),
    authentication: [...target.authentication].sort(),
    channelBinding: target.channelBinding,
    leastIterations: target.scramIterations.min,
  }
}

/** Names an identity: `SHA256:…` of its canonical text. */
export function fingerprintOf(identity: TargetIdentity): string {
  return sha256(canonical(identity))
}

/**
 * Whether a credential that was confirmed for one identity may be used for another as it is: where nothing changed, or where it only got
 * stricter. So a pinned key of several may be taken away, but none added.
 */
export function staysWithin(now: TargetIdentity, confirmed: TargetIdentity): boolean {
  if (now.host !== confirmed.host || now.port !== confirmed.port || now.login !== confirmed.login) return false
  if (now.protocol === 'ssh') return confirmed.protocol === 'ssh' && sshWithin(now, confirmed)
  return confirmed.protocol === 'postgres' && postgresWithin(now, confirmed)
}

function sshWithin(now: SshIdentity, confirmed: SshIdentity): boolean {
  return isSubset(now.hostKeys, confirmed.hostKeys) && isSubset(now.authentication, confirmed.authentication)
}

function postgresWithin(now: PostgresIdentity, confirmed: PostgresIdentity): boolean {
  return (
    strictness(now) >= strictness(confirmed) &&
    (checksNothing(confirmed) || authoritiesWithin(now.authorities, confirmed.authorities)) &&
    (confirmed.tls !== 'verify-full' || now.serverName === confirmed.serverName) &&
    isSubset(now.authentication, confirmed.authentication) &&
    CHANNEL_BINDINGS.indexOf(now.channelBinding) >= CHANNEL_BINDINGS.indexOf(confirmed.channelBinding) &&
    now.leastIterations >= confirmed.leastIterations
  )
}

/** `require` with authorities of its own checks them, as `verify-ca` does. */
function strictness({ tls, authorities }: PostgresIdentity): number {
  return TLS_MODES.indexOf(tls === 'require' && authorities !== 'system' ? 'verify-ca' : tls)
}

function checksNothing(identity: PostgresIdentity): boolean {
  return identity.authorities === 'system' && strictness(identity) < TLS_MODES.indexOf('verify-ca')
}

/** An authority of one's own in place of the system's is another, not a stricter one: who writes the entry may have made it. */
function authoritiesWithin(now: PostgresIdentity['authorities'], confirmed: PostgresIdentity['authorities']): boolean {
  if (now === 'system' || confirmed === 'system') return now === confirmed
  return isSubset(now, confirmed)
}

function isSubset<T>(some: readonly T[], all: readonly T[]): boolean {
  return some.every(one => all.includes(one))
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

function hostKeyOf(line: string): string {
  const key = parseHostKey(line)
  return key === undefined ? `unreadable ${sha256(line)}` : `${key.type} ${sha256(key.blob)}`
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

function authoritiesOf(ca: string): string[] {
  const blocks = ca.match(CERTIFICATE) ?? []
  // OpenSSL knows more spellings of a certificate than these: none may pass unseen.
  const whole = !ca.replace(CERTIFICATE, '').includes('BEGIN')
  try {
    if (whole && blocks.length > 0) return [...new Set(blocks.map(pem => sha256(new X509Certificate(pem).raw)))].sort()
  } catch {
    // Falls through: it is known by its text.
  }
  return [`unreadable ${sha256(ca)}`]
}

function sha256(bytes: string | Uint8Array): string {
  return `SHA256:${createHash('sha256').update(bytes).digest('base64').replace(/=+$/, '')}`
}
