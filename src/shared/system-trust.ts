/** The certificates that the system trusts, for connections of the gateway where no CA is named. */

import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls'

let context: SecureContext | undefined

/**
 * TLS 1.2 or newer, checked against the system's certificates. Read once: to parse all of them takes a tenth of a second and more,
 * in which the gateway would stand still at every connection.
 */
export function systemTrust(): SecureContext {
  context ??= createSecureContext({ ca: getCACertificates('system'), minVersion: 'TLSv1.2' })
  return context
}
