/** A connection by a stored login: its token, and what was learnt by ssh to trust. */

import { X509Certificate } from 'node:crypto'
import { rootCertificates } from 'node:tls'
import { messageOf } from '../shared/errors.ts'
import { EXIT } from '../shared/exit-codes.ts'
import { Secret } from '../shared/secret.ts'
import type { Connection } from './client.ts'
import { CliError } from './exit.ts'
import type { StoredLogin } from './files/logins.ts'

export function connectionOf(origin: string, { token, certificate }: StoredLogin): Connection {
  return { url: new URL(origin), token: new Secret(token), ca: trustedWith(certificate) }
}

/**
 * A gateway's own CA alone. A certificate that somebody else issued will be renewed: then the issuers that everybody trusts count too.
 */
function trustedWith(certificate: string): string[] {
  try {
    const { issuer, subject } = new X509Certificate(certificate)
    return issuer === subject ? [certificate] : [certificate, ...rootCertificates]
  } catch (error) {
    throw new CliError(EXIT.usage, `The certificate to trust cannot be read: ${messageOf(error)}.`)
  }
}
