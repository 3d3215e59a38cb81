/** By which certificate a PostgreSQL target is known, as its entry says. */

import type { PostgresEntry } from './entry.ts'

/** Whether a login there is with a server whose certificate was checked against a name, or against authorities of the target's own. */
export function certifies({ tls, ca }: Pick<PostgresEntry, 'tls' | 'ca'>): boolean {
  return tls === 'verify-full' || ((tls === 'verify-ca' || tls === 'require') && ca !== undefined)
}

/** The name that its certificate must have; TLS libraries take an empty one for none given, so it is none here too. */
export function nameInCertificate({ host, serverName }: Pick<PostgresEntry, 'host' | 'serverName'>): string {
  return serverName || host
}
