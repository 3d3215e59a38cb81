/** What a PostgreSQL target is to a credential: how it proves who it is, and how it may have the login proven. */

import { X509Certificate } from 'node:crypto'
import { z } from 'zod'
import { isSubset } from '../../../shared/is-subset.ts'
import { fingerprint } from '../../../shared/ssh-encoding/fingerprint.ts'
import type { IdentityFacts } from '../../facts.ts'
import { nameInCertificate } from './certificate.ts'
import { CHANNEL_BINDINGS, POSTGRES_METHODS, type PostgresEntry, TLS_MODES } from './entry.ts'

const fields = {
  tls: z.enum(TLS_MODES),
  /** `SHA256:…` of each authority, sorted; `system`: those that the gateway's system trusts. */
  authorities: z.union([z.literal('system'), z.array(z.string())]),
  /** The name in the certificate. */
  serverName: z.string(),
  authentication: z.array(z.enum(POSTGRES_METHODS)),
  channelBinding: z.enum(CHANNEL_BINDINGS),
  leastIterations: z.number(),
}
type Identity = z.output<z.ZodObject<typeof fields>>

export const postgresIdentity = {
  fields,
  of: (target: PostgresEntry): Identity => ({
    tls: target.tls,
    authorities: target.ca === undefined ? 'system' : authoritiesOf(target.ca),
    serverName: nameInCertificate(target),
    authentication: [...target.authentication].sort(),
    channelBinding: target.channelBinding,
    leastIterations: target.scramIterations.min,
  }),
  within: (now: Identity, confirmed: Identity) =>
    strictness(now) >= strictness(confirmed) &&
    (checksNothing(confirmed) || authoritiesWithin(now.authorities, confirmed.authorities)) &&
    (confirmed.tls !== 'verify-full' || now.serverName === confirmed.serverName) &&
    isSubset(now.authentication, confirmed.authentication) &&
    CHANNEL_BINDINGS.indexOf(now.channelBinding) >= CHANNEL_BINDINGS.indexOf(confirmed.channelBinding) &&
    now.leastIterations >= confirmed.leastIterations,
  /** The name in the certificate must stay: who could choose another could choose their own. */
  kept: (target: PostgresEntry) => ({ ...target, serverName: nameInCertificate(target) }),
} as const satisfies IdentityFacts

/** `require` with authorities of its own checks them, as `verify-ca` does. */
function strictness({ tls, authorities }: Identity): number {
  return TLS_MODES.indexOf(tls === 'require' && authorities !== 'system' ? 'verify-ca' : tls)
}

function checksNothing(identity: Identity): boolean {
  return identity.authorities === 'system' && strictness(identity) < TLS_MODES.indexOf('verify-ca')
}

/** An authority of one's own in place of the system's is another, not a stricter one: who writes the entry may have made it. */
function authoritiesWithin(now: Identity['authorities'], confirmed: Identity['authorities']): boolean {
  if (now === 'system' || confirmed === 'system') return now === confirmed
  return isSubset(now, confirmed)
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

function authoritiesOf(ca: string): string[] {
  const blocks = ca.match(CERTIFICATE) ?? []
  // OpenSSL knows more spellings of a certificate than these: none may pass unseen.
  const whole = !ca.replace(CERTIFICATE, '').includes('BEGIN')
  try {
    if (whole && blocks.length > 0)
      return [...new Set(blocks.map(pem => fingerprint(new X509Certificate(pem).raw)))].sort()
  } catch {
    // Falls through: it is known by its text.
  }
  return [`unreadable ${fingerprint(ca)}`]
}
