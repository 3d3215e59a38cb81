/** PostgreSQL's MD5 of a password: as a server keeps it, and as a login answers with it. */

import { createHash } from 'node:crypto'
import { erasableBytes, type Secret } from '../../../shared/secret.ts'

/** What a server keeps, without the `md5` in front. As good as the password for a login by MD5: whoever is given it erases it. */
export function md5Digits(user: string, password: Secret): Buffer {
  return md5(password.revealBytes(), user)
}

/** https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP */
export function md5Answer(user: string, password: Secret, salt: Buffer): Buffer {
  const kept = md5Digits(user, password)
  const answer = md5(kept, salt)
  kept.fill(0)
  return Buffer.concat([Buffer.from('md5'), answer])
}

function md5(first: Buffer, second: string | Buffer): Buffer {
  return hexOf(createHash('md5').update(first).update(second).digest())
}

/** Hexadecimal digits as bytes, without a string in between. */
function hexOf(bytes: Buffer): Buffer {
  const digits = '0123456789abcdef'
  const hex = erasableBytes(2 * bytes.length)
  for (const [i, byte] of bytes.entries()) {
    hex[2 * i] = digits.charCodeAt(byte >> 4)
    hex[2 * i + 1] = digits.charCodeAt(byte & 15)
  }
  return hex
}
