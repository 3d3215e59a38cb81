/** The one-time code factor: RFC 6238 with SHA-1, six digits, steps of 30 seconds, as every authenticator app has it. */

import { timingSafeEqual } from 'node:crypto'
import { generateSecret, generateSync, generateURI } from 'otplib'

export const CODE_DIGITS = 6
const STEP_SECONDS = 30
/** One step to either side: RFC 6238 §5.2 recommends at most one for delay; clocks of phones err both ways. */
const WINDOW = [-1, 0, 1]
const ISSUER = 'Sallyport'

/** 160 bits (RFC 4226 §4, R6), in base 32. */
export function generateTotpSecret(): string {
  return generateSecret({ length: 20 })
}

/** What the QR code holds. */
export function totpUrl(user: string, secret: string): string {
  return generateURI({
    issuer: ISSUER,
    label: user,
    secret,
    algorithm: 'sha1',
    digits: CODE_DIGITS,
    period: STEP_SECONDS,
  })
}

export function stepAt(now: number): number {
  return Math.floor(now / 1000 / STEP_SECONDS)
}

export function codeOfStep(secret: string, step: number): string {
  return generateSync({
    secret,
    epoch: step * STEP_SECONDS,
    period: STEP_SECONDS,
    digits: CODE_DIGITS,
    algorithm: 'sha1',
  })
}

/**
 * The step whose code it is, the newest where there are several, or undefined. Computes and compares every step of the
 * window, whatever the code is. Says nothing about whether the code was used before.
 */
export function matchingStep(secret: string, code: string, now: number): number | undefined {
  let matched: number | undefined
  for (const offset of WINDOW) {
    const step = stepAt(now) + offset
    if (step >= 0 && isSameCode(codeOfStep(secret, step), code)) matched = step
  }
  return matched
}

/** In constant time; people may type a space between the halves of a code. */
export function isSameCode(expected: string, typed: string): boolean {
  const digits = typed.replaceAll(' ', '')
  const isCode = /^[0-9]{6}$/.test(digits)
  const equal = timingSafeEqual(Buffer.from(expected), Buffer.from(isCode ? digits : '      '))
  return isCode && equal
}
