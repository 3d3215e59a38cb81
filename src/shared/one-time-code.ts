/** One-time codes by time, of any authenticator's settings (RFC 6238), from a secret that stays bytes. */

import { createHmac } from 'node:crypto'
import type { Secret } from './secret.ts'

export const CODE_ALGORITHMS = ['sha1', 'sha256', 'sha512'] as const

/** From what the codes of an account are made. */
export interface TotpSeed {
  readonly secret: Secret
  readonly algorithm: (typeof CODE_ALGORITHMS)[number]
  readonly digits: number
  /** Seconds that a code is shown. */
  readonly period: number
}

/** `step`: how many periods have passed since the epoch. */
export function oneTimeCode({ secret, algorithm, digits }: TotpSeed, step: number): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const hash = createHmac(algorithm, secret.revealBytes()).update(counter).digest()
  // RFC 4226 §5.3: where the last four bits say, 31 bits of it.
  const offset = hash[hash.length - 1]! & 15
  const number = hash.readUInt32BE(offset) & 0x7fffffff
  return String(number % 10 ** digits).padStart(digits, '0')
}
