/** Reads the one-time code secret of a shared account as its target shows it: an otpauth:// address (a QR code's text), or base 32. */

import { GatewayError } from '../shared/errors.ts'
import { CODE_ALGORITHMS, type TotpSeed } from '../shared/one-time-code.ts'
import { erasableBytes, Secret } from '../shared/secret.ts'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
const MIN_BYTES = 10
const MAX_BYTES = 128

/** Throws `BAD_REQUEST` with what is wrong; never with what was given. */
export function parseTotpSeed(text: string): TotpSeed {
  const trimmed = text.trim()
  if (!/^otpauth:/i.test(trimmed)) return { secret: fromBase32(trimmed), algorithm: 'sha1', digits: 6, period: 30 }
  let url: URL
  try {
    url = new URL(trimmed)
  } catch {
    throw refused('it begins with otpauth: and is no address')
  }
  if (url.host.toLowerCase() !== 'totp') throw refused('only codes by time (otpauth://totp/…) are known')
  const given = (name: string, otherwise: string) => url.searchParams.get(name) || otherwise
  const algorithm = CODE_ALGORITHMS.find(each => each === given('algorithm', 'sha1').toLowerCase().replace('-', ''))
  if (algorithm === undefined) throw refused('its algorithm is none of SHA1, SHA256 and SHA512')
  return {
    secret: fromBase32(given('secret', '')),
    algorithm,
    digits: number(given('digits', '6'), 'digits', 6, 8),
    period: number(given('period', '30'), 'period', 10, 300),
  }
}

/** Throws `BAD_REQUEST`. */
export function checkTotpSeed({ secret, digits, period }: TotpSeed): void {
  if (secret.byteLength < MIN_BYTES || secret.byteLength > MAX_BYTES)
    throw refused(`it has ${secret.byteLength} bytes, and must have ${MIN_BYTES} to ${MAX_BYTES}`)
  number(String(digits), 'digits', 6, 8)
  number(String(period), 'period', 10, 300)
}

function number(text: string, name: string, least: number, most: number): number {
  const value = Number(text)
  if (/^\d{1,3}$/.test(text) && value >= least && value <= most) return value
  throw refused(`its ${name} must be a whole number from ${least} to ${most}`)
}

/** RFC 4648 §6, as people copy it: in either case, with spaces or hyphens, with or without padding. */
function fromBase32(text: string): Secret {
  const digits = text.toUpperCase().replace(/[\s-]/g, '').replace(/=+$/, '')
  const bytes = erasableBytes(Math.floor((digits.length * 5) / 8))
  let held = 0
  let bits = 0
  let at = 0
  for (const digit of digits) {
    const value = ALPHABET.indexOf(digit)
    if (value < 0) throw refused('it holds a character that base 32 does not have (A to Z, 2 to 7)')
    held = ((held << 5) | value) & 0xfff
    bits += 5
    if (bits < 8) continue
    bits -= 8
    bytes[at++] = (held >> bits) & 0xff
  }
  const secret = new Secret(bytes)
  bytes.fill(0)
  return secret
}

function refused(why: string): GatewayError {
  return new GatewayError('BAD_REQUEST', `The one-time code secret cannot be used: ${why}.`)
}
