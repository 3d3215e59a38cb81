/** The lines in which programs at a target read a password. */

import { erasableBytes } from '../../../shared/secret.ts'

/** `PAM_MAX_RESP_SIZE` of Linux-PAM, with the NUL behind it. */
const MOST_PASSWORD_BYTES = 511

/** `login:password`; overwritten once it is sent. */
export function chpasswdLine(login: string, password: Uint8Array): Buffer {
  return joined(Buffer.from(`${login}:`), password, Buffer.from('\n'))
}

/** Overwritten once it is sent. */
export function passwordLine(password: Uint8Array): Buffer {
  return joined(password, Buffer.from('\n'))
}

function joined(...parts: readonly Uint8Array[]): Buffer {
  const line = erasableBytes(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    line.set(part, at)
    at += part.length
  }
  return line
}

/** What cannot be a line of its own, or a Linux password. */
export function whyUnfit(password: Buffer): string | undefined {
  if (password.length === 0) return 'it is empty'
  if (password.includes(10) || password.includes(0)) return 'it holds a line end or a NUL, which no Linux password can'
  return password.length > MOST_PASSWORD_BYTES
    ? `it has more than ${MOST_PASSWORD_BYTES} bytes, the most that PAM takes`
    : undefined
}
