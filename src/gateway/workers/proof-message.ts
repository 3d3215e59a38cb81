/** A proof on its way from a worker to its gateway, which is the one to verify it. */

import { z } from 'zod'
import type { Proof } from '../../identity/proof.ts'
import { FACTORS } from '../../shared/factors.ts'
import { Secret } from '../../shared/secret.ts'

/** Longer than any password, key or signature that a login can carry. */
const MOST_BYTES = 64 * 1024

export const bytesUpTo = (most: number) =>
  z.custom<Buffer>(value => Buffer.isBuffer(value) && value.length <= most, `not bytes, or more than ${most}`)

export const proofMessage = z.strictObject({
  /** A factor, or `password-with-code`. */
  kind: z.string().refine(kind => kind === 'password-with-code' || FACTORS.some(factor => factor === kind)),
  bytes: bytesUpTo(MOST_BYTES),
  /** Of a public key. */
  signed: z
    .strictObject({
      algorithm: z.string().max(64),
      data: bytesUpTo(MOST_BYTES),
      signature: bytesUpTo(MOST_BYTES),
      beginning: bytesUpTo(MOST_BYTES).optional(),
    })
    .optional(),
})

export type ProofMessage = z.output<typeof proofMessage>

export function messageOfProof(proof: Proof): ProofMessage {
  if ('blob' in proof) {
    const { kind, blob, signed } = proof
    return { kind, bytes: blob, ...(signed === undefined ? {} : { signed }) }
  }
  if ('password' in proof) return { kind: proof.kind, bytes: proof.password.revealBytes() }
  return { kind: proof.kind, bytes: ('text' in proof ? proof.text : proof.answer).revealBytes() }
}

export function proofOfMessage({ kind, bytes, signed }: ProofMessage): Proof {
  switch (kind) {
    case 'publickey':
      return { kind, blob: bytes, ...(signed === undefined ? {} : { signed }) }
    case 'password':
      return { kind, password: new Secret(bytes) }
    case 'password-with-code':
      return { kind, text: new Secret(bytes) }
    default:
      return { kind, answer: new Secret(bytes) } as Proof
  }
}
