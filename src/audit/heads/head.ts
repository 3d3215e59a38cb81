/**
 * A head of the audit chain, signed to be sent out: that the log reached this event by this time. What is cut off later is shown by it.
 *
 * One line of JSON. The Ed25519 signature covers `sallyport audit head 1`, a NUL, and the JSON array of seq, hash, at, gateway and key.
 */

import { type KeyObject, verify } from 'node:crypto'
import { z } from 'zod'
import { type Signer, signingKeyId } from '../../shared/cryptography/signer.ts'
import type { ChainHead } from '../chain/chain.ts'

const CONTEXT = 'sallyport audit head 1\0'
const hash = z.string().regex(/^[0-9a-f]{64}$/)

export const HEAD_TYPE = 'sallyport-audit-head'
export const TIME_STAMP_TYPE = 'sallyport-audit-head-time-stamp'

const headSchema = z.object({
  type: z.literal(HEAD_TYPE),
  version: z.literal(1),
  seq: z.int().min(1),
  hash,
  /** When it was sent out, by the gateway's clock; `time` repeats it for people. */
  at: z.int(),
  time: z.string(),
  gateway: z.string(),
  /** SHA-256 of the public key (SPKI, DER), hex. */
  key: z.string(),
  signature: z.string(),
})
export type SentHead = z.output<typeof headSchema>

/** The RFC 3161 token (DER, base64) over the hash of the head of this number. */
const timeStampSchema = z.object({
  type: z.literal(TIME_STAMP_TYPE),
  version: z.literal(1),
  seq: z.int().min(1),
  hash,
  token: z.base64(),
})
export type HeadTimeStamp = z.output<typeof timeStampSchema>

export function signHead({ seq, hash }: ChainHead, at: number, gateway: string, signer: Signer): SentHead {
  const unsigned = { seq, hash, at, gateway, key: signingKeyId(signer.publicKeyPem) }
  const signature = signer.sign(signedBytes(unsigned)).toString('base64url')
  return { type: HEAD_TYPE, version: 1, ...unsigned, time: new Date(at).toISOString(), signature }
}

/** Why this head is not one that the key signed; undefined when it is. */
export function checkHead(head: SentHead, publicKey: KeyObject): string | undefined {
  const id = signingKeyId(publicKey)
  if (head.key !== id) return `head ${head.seq} is signed with another key (${head.key}, the key given is ${id})`
  const good =
    head.time === new Date(head.at).toISOString() &&
    verify(null, signedBytes(head), publicKey, Buffer.from(head.signature, 'base64url'))
  return good ? undefined : `head ${head.seq} is not what was signed`
}

/** What a line of a file of heads says; undefined for what is neither. */
export function parseHeadLine(line: string): SentHead | HeadTimeStamp | undefined {
  try {
    return z.union([headSchema, timeStampSchema]).safeParse(JSON.parse(line)).data
  } catch {
    return undefined
  }
}

function signedBytes({
  seq,
  hash,
  at,
  gateway,
  key,
}: Pick<SentHead, 'seq' | 'hash' | 'at' | 'gateway' | 'key'>): Buffer {
  return Buffer.from(CONTEXT + JSON.stringify([seq, hash, at, gateway, key]), 'utf8')
}
