/** The gateway's signing key, as those see it who sign and verify: recordings' seals, audit events, lists, heads. */

import { createHash, createPublicKey, type KeyObject } from 'node:crypto'

/** Ed25519 (RFC 8032). The vault makes it; `verify` needs only the public half. */
export interface Signer {
  readonly publicKeyPem: string
  sign(bytes: Uint8Array): Buffer
}

/** SHA-256 of a public key's SubjectPublicKeyInfo, hex: what is signed names its key by it. */
export function signingKeyId(publicKey: string | KeyObject): string {
  const key = typeof publicKey === 'string' ? createPublicKey(publicKey) : publicKey
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex')
}
