/** The seal: the signed end of a recording. Written here and nowhere else, and never without a signature that holds. */

import { createPublicKey, verify } from 'node:crypto'
import { type Signer, signingKeyId } from '../../shared/cryptography/signer.ts'
import { GatewayError } from '../../shared/errors.ts'
import {
  decodeHead,
  encodeHead,
  FRAME_HEAD_BYTES,
  FRAME_SEAL,
  LINK_BYTES,
  type Seal,
  SIGNATURE_BYTES,
  sealedBytes,
  sealSchema,
} from './container.ts'

/** The gateway's signing key, as far as it signs seals: in a worker, its gateway does so. */
export interface SealSigner extends Pick<Signer, 'publicKeyPem'> {
  sign(bytes: Uint8Array, session: string): Buffer | Promise<Buffer>
}

/**
 * The bytes that end a recording. The signature is checked before it is given away: a key store that signs nothing, or with
 * another key, must not leave a recording that only looks sealed (CVE-2025-59339). Throws `RECORDING_FAILED`.
 */
export async function encodeSeal(
  seal: Omit<Seal, 'link' | 'signingKey'>,
  link: Buffer,
  signer: SealSigner,
): Promise<Buffer> {
  const complete: Seal = { ...seal, link: link.toString('hex'), signingKey: signingKeyId(signer.publicKeyPem) }
  const json = Buffer.from(JSON.stringify(complete), 'utf8')
  const head = encodeHead({ length: json.length, type: FRAME_SEAL, seq: seal.frames })
  const signature = await signer.sign(sealedBytes(link, head, json), seal.session)
  if (!sealHolds(link, head, json, signature, signer.publicKeyPem)) {
    throw new GatewayError('RECORDING_FAILED', 'The recording could not be signed.')
  }
  return Buffer.concat([head, json, signature])
}

/** Whether these are the bytes that a seal of this session is signed by, and of nothing else that the key signs. */
export function isSealOf(session: string, bytes: Buffer): boolean {
  const jsonAt = sealedBytes(Buffer.alloc(LINK_BYTES), Buffer.alloc(FRAME_HEAD_BYTES), Buffer.alloc(0)).length
  const context = sealedBytes(Buffer.alloc(0), Buffer.alloc(0), Buffer.alloc(0))
  if (!bytes.subarray(0, context.length).equals(context)) return false
  return sealSchema.safeParse(jsonOf(bytes.subarray(jsonAt))).data?.session === session
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

/** Longer than any seal: its text has no part that a person chose. */
export const MAX_SEAL_BYTES = 4096

/**
 * Looks for a whole seal of this session anywhere in the bytes, whatever stands before it: proof that the recording was sealed once.
 * Undefined when there is none that the key has signed.
 */
export async function findSeal(
  chunks: AsyncIterable<Buffer>,
  session: string,
  publicKeyPem: string,
): Promise<Seal | undefined> {
  const begin = Buffer.from(`{"session":${JSON.stringify(session)},"frames":`)
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of chunks) {
    rest = Buffer.concat([rest, chunk])
    for (let at = rest.indexOf(begin); at >= 0; at = rest.indexOf(begin, at + 1)) {
      const seal = sealAt(rest, at, publicKeyPem)
      if (seal !== undefined) return seal
    }
    // One that reaches into the next chunk is met again whole.
    rest = rest.subarray(Math.max(0, rest.length - MAX_SEAL_BYTES))
  }
  return undefined
}

function sealAt(bytes: Buffer, jsonAt: number, publicKeyPem: string): Seal | undefined {
  const headAt = jsonAt - FRAME_HEAD_BYTES
  if (headAt < 0) return undefined
  const head = bytes.subarray(headAt, jsonAt)
  const { length, type } = decodeHead(head)
  const json = bytes.subarray(jsonAt, jsonAt + length)
  const signature = bytes.subarray(jsonAt + length, jsonAt + length + SIGNATURE_BYTES)
  if (type !== FRAME_SEAL || length > MAX_SEAL_BYTES || signature.length < SIGNATURE_BYTES) return undefined
  const seal = sealSchema.safeParse(jsonOf(json)).data
  if (seal === undefined) return undefined
  return sealHolds(Buffer.from(seal.link, 'hex'), head, json, signature, publicKeyPem) ? seal : undefined
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
}
