/** Host keys: the gateway's own, parsed once at start, and the pinned ones of targets, as known_hosts lines write them. */

import { GatewayError } from '../../../shared/errors.ts'
import type { Secret } from '../../../shared/secret.ts'
import { WireReader } from '../../../shared/ssh-encoding/wire.ts'
import { HOST_KEY_ALGORITHMS, signatureAlgorithms } from './algorithms.ts'
import { certificateAlgorithm, certifiedKey } from './host-certificate.ts'
import { type ParsedKey, parseKey } from './ssh2-internals.ts'
import { type HostKeys, serverOffer } from './transport.ts'

/** Reads the gateway's private host keys (PEM or OpenSSH form, without passphrase), at most one of a type. Throws `CONFIG_INVALID`. */
export function parseHostKeys(privateKeys: readonly Secret[]): HostKeys {
  const byAlgorithm: Record<string, ParsedKey> = {}
  for (const privateKey of privateKeys) {
    const key = parseKey(privateKey.reveal())
    if (key instanceof Error || Array.isArray(key) || !key.isPrivateKey()) {
      throw new GatewayError('CONFIG_INVALID', 'A host key of the gateway is not a private key in PEM or OpenSSH form.')
    }
    for (const algorithm of signatureAlgorithms(key.type)) byAlgorithm[algorithm] = key
  }
  const algorithms = HOST_KEY_ALGORITHMS.filter(algorithm => algorithm in byAlgorithm)
  if (algorithms.length === 0) throw new GatewayError('CONFIG_INVALID', 'The gateway has no SSH host key.')
  return { byAlgorithm, offer: serverOffer(algorithms) }
}

/** The same keys with these certificates of them, for clients that ask for those; others are shown the plain ones. */
export function certifyHostKeys({ byAlgorithm: plain }: HostKeys, certificates: readonly Buffer[]): HostKeys {
  const byAlgorithm: Record<string, ParsedKey> = { ...plain }
  const certified: string[] = []
  for (const key of new Set(Object.values(plain))) {
    const algorithm = certificateAlgorithm(key.type)
    const certificate = certificates.find(one => new WireReader(one).string().toString('latin1') === algorithm)
    if (certificate === undefined) continue
    byAlgorithm[algorithm] = certifiedKey(key, certificate)
    certified.push(algorithm)
  }
  return { byAlgorithm, offer: serverOffer([...certified, ...Object.keys(plain)]) }
}

export interface PinnedKey {
  readonly type: string
  readonly blob: Buffer
}

/** A line as in known_hosts without the host. Throws WireError when the blob does not begin with its type. */
export function formatPublicKeyLine(blob: Buffer): string {
  return `${new WireReader(blob).string().toString('latin1')} ${blob.toString('base64')}`
}

/** The host key algorithms to ask a target for, so that it shows a key that is pinned. */
export function algorithmsFor(keys: readonly PinnedKey[]): string[] {
  const wanted = new Set(keys.flatMap(key => signatureAlgorithms(key.type)))
  return HOST_KEY_ALGORITHMS.filter(algorithm => wanted.has(algorithm))
}
