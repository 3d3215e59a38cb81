/** The seal: the signed end of a recording. Written here and nowhere else, and never without a signature that holds. */

import { createPublicKey, verify } from 'node:crypto'
import { GatewayError } from '../shared/errors.ts'
import { encodeHead, FRAME_SEAL, type Seal, SIGNATURE_BYTES, sealedBytes, signingKeyId } from './container.ts'
import type { Signer } from './signer.ts'

/**
 * The bytes that end a recording. The signature is checked before it is given away: a key store that signs nothing, or with
 * another key, must not leave a recording that only looks sealed (CVE-2025-59339). Throws `RECORDING_FAILED`.
 */
export function encodeSeal(seal: Omit<Seal, 'link' | 'signingKey'>, link: Buffer, signer: Signer): Buffer {
  const complete: Seal = { ...seal, link: link.toString('hex'), signingKey: signingKeyId(signer.publicKeyPem) }
  const json = Buffer.from(JSON.stringify(complete), 'utf8')
  const head = encodeHead({ length: json.length, type: FRAME_SEAL, seq: seal.frames })
  const signature = signer.sign(sealedBytes(link, head, json))
  if (!sealHolds(link, head, json, signature, signer.publicKeyPem)) {
    throw new GatewayError('RECORDING_FAILED', 'The recording could not be signed.')
  }
  return Buffer.concat([head, json, signature])
}

/** Whether the signature (Ed25519, RFC 8032) is that of the key, over this seal, at this place of the chain. */
export function sealHolds(
  previous: Buffer,
  head: Buffer,
  json: Buffer,
  signature: Buffer,
  publicKeyPem: string,
): boolean {
  const key = createPublicKey(publicKeyPem)
  if (key.asymmetricKeyType !== 'ed25519' || signature.length !== SIGNATURE_BYTES) return false
  return verify(null, sealedBytes(previous, head, json), key, signature)
}
