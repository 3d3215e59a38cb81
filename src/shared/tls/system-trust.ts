/** The certificates that the system trusts, for connections of the gateway where no CA is named. */

import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls'

let context: SecureContext | undefined

/** What a connection is checked against, as tls.connect takes it: `ca` (PEM), or the system's certificates where none is named. */
export function trustIn(ca: string | undefined): { ca: string } | { secureContext: SecureContext } {
  return ca === undefined ? { secureContext: systemTrust() } : { ca }
}

/**
 * TLS 1.2 or newer, checked against the system's certificates. Read once: to parse all of them takes a tenth of a second and more,
 * in which the gateway would stand still at every connection.
 */
export function systemTrust(): SecureContext {
  context ??= createSecureContext({ ca: getCACertificates('system'), minVersion: 'TLSv1.2' })
  return context
}
