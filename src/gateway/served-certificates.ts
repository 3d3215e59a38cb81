/** The certificate that the gateway shows on its TLS ports. */

import { hostname } from 'node:os'
import { type Config, settingsOf } from '../config/config.ts'
import { readTlsCertificate } from '../config/tls-files.ts'
import { protocols } from '../protocols/registered.ts'
import { Secret } from '../shared/secret.ts'
import { generateTlsCertificate, issueFrom, type TlsCertificate } from '../shared/tls/issue-certificate.ts'
import type { GatewayParts } from './parts.ts'

type Parts = Pick<GatewayParts, 'vault' | 'clock'>

/** By protocol. */
export type Certificates = Readonly<Record<string, TlsCertificate>>

/** One for each protocol that shows one. */
export async function protocolCertificates(parts: Parts, config: Config): Promise<Certificates> {
  const certificates: Record<string, TlsCertificate> = {}
  for (const { name, showsCertificate } of protocols()) {
    if (showsCertificate) certificates[name] = await gatewayCertificate(parts, config, settingsOf(config, name).tls)
  }
  return certificates
}

/**
 * The configured certificate, or one that the gateway issues to itself: by the CA that it made at its first start, which is what
 * clients are to trust.
 */
export async function gatewayCertificate(
  { vault, clock }: Parts,
  { certificateNames }: Config,
  files: { keyFile: string; certificateFile: string } | undefined,
): Promise<TlsCertificate & { trusted: string }> {
  if (files !== undefined) {
    const given = await readTlsCertificate(files)
    return { ...given, trusted: given.cert }
  }
  const own = await vault.ownKey('tls', async () => {
    const made = await generateTlsCertificate(['localhost', '127.0.0.1', '::1', hostname()], clock.now())
    return { public: made.cert, secret: new Secret(made.key) }
  })
  const served = await issueFrom({ key: own.secret.reveal(), cert: own.public }, certificateNames, clock.now())
  return { ...served, trusted: own.public }
}
