/** Host certificates (OpenSSH's PROTOCOL.certkeys): issued for one target's names, and shown in the place of a plain host key. */

import { randomBytes } from 'node:crypto'
import { string, uint32, uint64, WireReader } from '../../../shared/ssh-encoding/wire.ts'
import type { ParsedKey, Ssh2Protocol } from './ssh2-internals.ts'

const SUFFIX = '-cert-v01@openssh.com'
const HOST = 2

export interface CertificateTerms {
  /** What it is for, for people: `ssh -v` shows it. */
  readonly keyId: string
  /** The names and addresses that it is good for; never empty, which would mean all. */
  readonly principals: readonly string[]
  /** Seconds since the epoch. */
  readonly validAfter: number
  readonly validBefore: number
}

/** Who signs it. */
export interface CertificateAuthority {
  readonly publicKey: Buffer
  /** Ed25519. */
  sign(bytes: Uint8Array): Buffer
}

/** The algorithm by which a certificate of a key of this type is asked for. */
export function certificateAlgorithm(keyType: string): string {
  return `${keyType}${SUFFIX}`
}

/** The certificate of the public key in `blob` (RFC 4253 §6.6), for a key that is not RSA. */
export function issueHostCertificate(blob: Buffer, terms: CertificateTerms, authority: CertificateAuthority): Buffer {
  if (terms.principals.length === 0) throw new Error('a certificate without a name would be good for every host')
  const reader = new WireReader(blob)
  const type = reader.utf8()
  const unsigned = Buffer.concat([
    string(certificateAlgorithm(type)),
    string(randomBytes(32)),
    reader.rest(),
    randomBytes(8),
    uint32(HOST),
    string(terms.keyId),
    string(Buffer.concat(terms.principals.map(name => string(name)))),
    uint64(BigInt(terms.validAfter)),
    uint64(BigInt(terms.validBefore)),
    // Critical options, extensions, reserved.
    ...[string(''), string(''), string('')],
    string(authority.publicKey),
  ])
  const signature = Buffer.concat([string('ssh-ed25519'), string(authority.sign(unsigned))])
  return Buffer.concat([unsigned, string(signature)])
}

/** A host key that shows a certificate in the place of its public half, and signs as ever. */
export function certifiedKey(key: ParsedKey, certificate: Buffer): ParsedKey {
  return {
    type: key.type,
    isPrivateKey: () => true,
    getPublicSSH: () => certificate,
    sign: (data, algorithm) => key.sign(data, algorithm),
  }
}

/**
 * ssh2 takes what was agreed on (`ssh-ed25519-cert-v01@openssh.com`) for the name of the signature's format as well, which is that of
 * the plain key: so it is told that the plain key was agreed on, and given the certified one. Call it before the first key exchange.
 */
export function showCertificates(protocol: Ssh2Protocol, byAlgorithm: Readonly<Record<string, ParsedKey>>): void {
  protocol.sallyportExchanges.push(exchange => {
    const { serverHostKey } = exchange.negotiated
    const certified = serverHostKey.endsWith(SUFFIX) ? byAlgorithm[serverHostKey] : undefined
    if (certified === undefined) return
    exchange.negotiated.serverHostKey = certified.type
    Object.defineProperty(exchange, '_hostKey', { get: () => certified, set: () => undefined })
  })
}
