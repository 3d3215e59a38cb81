/** The text of a personal token: a prefix that scanners for secrets can look for, 256 random bits, and a checksum over both. */

import { randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

export const PERSONAL_TOKEN_PREFIX = 'sallyport_pat_'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
/** 62 to this power is more than 2 to the 256th, and to the 32nd. */
const SECRET_LENGTH = 43
const CHECKSUM_LENGTH = 6
const PATTERN = new RegExp(`^${PERSONAL_TOKEN_PREFIX}[0-9A-Za-z]{${SECRET_LENGTH + CHECKSUM_LENGTH}}$`)

/** The prefix and 49 letters and digits; the last six are the CRC-32 (ISO 3309) of all before them. */
export function newPersonalTokenText(): string {
  const secret = base62(BigInt(`0x${randomBytes(32).toString('hex')}`), SECRET_LENGTH)
  const text = `${PERSONAL_TOKEN_PREFIX}${secret}`
  return `${text}${checksumOf(text)}`
}

/** False also for one that was cut or mistyped: nobody need look it up. */
export function isPersonalTokenText(text: string): boolean {
  return PATTERN.test(text) && text.endsWith(checksumOf(text.slice(0, -CHECKSUM_LENGTH)))
}

/** A text that somebody typed, for a log: whole tokens and pieces of them are not in it. */
export function hideTokens(text: string): string {
  return text.replace(/(sallyport_pat_|sp_)[\w-]{8,}/g, '$1[hidden]')
}

function checksumOf(text: string): string {
  return base62(BigInt(crc32(text)), CHECKSUM_LENGTH)
}

function base62(value: bigint, length: number): string {
  let text = ''
  for (let rest = value; text.length < length; rest /= 62n) text = ALPHABET[Number(rest % 62n)] + text
  return text
}
