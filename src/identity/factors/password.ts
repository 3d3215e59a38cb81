/** The password factor: argon2id (RFC 9106) in PHC form, with the same work for every answer. */

import { isUtf8 } from 'node:buffer'
import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { createSemaphore } from '../../shared/concurrency/semaphore.ts'
import { GatewayError } from '../../shared/errors.ts'
import type { Secret } from '../../shared/secret.ts'

export interface Passwords {
  /** The PHC string to store. Throws `BAD_REQUEST`, with what is wrong, for a password that may not be set. */
  hash(password: Secret): Promise<string>
  /**
   * Whether it is the password that `stored` (a PHC string) was made from. `undefined`, no password at all, takes the same
   * work and is never true, and so is what is not of that form. `ahead`: before those who are not known where they are. Throws
   * `TOO_MANY_CONNECTIONS` when too many wait already.
   */
  verify(stored: string | undefined, password: Secret, ahead?: boolean): Promise<boolean>
}

const MIN_CHARACTERS = 8
const MAX_BYTES = 1024
const SALT_BYTES = 16
const HASH_BYTES = 32
/** The OWASP password storage cheat sheet's choice: 19 MiB, two passes, one lane. */
const COST = { memory: 19_456, passes: 2, parallelism: 1 }
const PHC = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{22})\$([A-Za-z0-9+/]{43})$/

interface Stored {
  readonly cost: typeof COST
  readonly salt: Buffer
  readonly hash: Buffer
}

/** `atOnce` hashes are computed side by side (19 MiB and one of libuv's four threads each); `waiting` more may wait. */
export function createPasswords({ atOnce = 2, waiting = 200 } = {}): Passwords {
  const withPermit = createSemaphore(atOnce, waiting)
  const nobody: Stored = { cost: COST, salt: randomBytes(SALT_BYTES), hash: randomBytes(HASH_BYTES) }
  return {
    async hash(password) {
      const text = normalise(password)
      const problem = problemOf(text)
      if (problem !== undefined) throw new GatewayError('BAD_REQUEST', problem)
      const salt = randomBytes(SALT_BYTES)
      return format({ cost: COST, salt, hash: await withPermit(() => derive(text!, salt, COST)) })
    },
    async verify(stored, password, ahead) {
      const text = normalise(password)
      const known = stored === undefined ? undefined : parse(stored)
      const { cost, salt, hash } = known ?? nobody
      const derived = await withPermit(() => derive(text ?? '', salt, cost), ahead)
      return timingSafeEqual(derived, hash) && known !== undefined && text !== undefined
    },
  }
}

/**
 * The form in which a password is compared, so that it fits however a keyboard composes it: RFC 8265's OpaqueString
 * (other spaces become ASCII spaces, then NFC). Undefined for what no password can be: empty, too long, control characters, not UTF-8.
 */
export function normalise(password: Secret): string | undefined {
  if (password.byteLength === 0 || password.byteLength > MAX_BYTES || !isUtf8(password.revealBytes())) return undefined
  const text = password
    .reveal()
    .replace(/\p{Zs}/gu, ' ')
    .normalize('NFC')
  return /\p{Cc}/u.test(text) ? undefined : text
}

function problemOf(text: string | undefined): string | undefined {
  if (text === undefined) return `A password has 1 to ${MAX_BYTES} bytes of UTF-8 without control characters.`
  if ([...text].length < MIN_CHARACTERS) return `A password has at least ${MIN_CHARACTERS} characters.`
  // So that in `password + code` it is always plain which digits are the code.
  if (/\d{6}$/.test(text)) {
    return 'A password must not end in six digits: clients with a single field append the one-time code to it.'
  }
  return undefined
}

const argon2Async = promisify(argon2)

function derive(text: string, salt: Buffer, cost: typeof COST): Promise<Buffer> {
  return argon2Async('argon2id', { message: Buffer.from(text, 'utf8'), nonce: salt, tagLength: HASH_BYTES, ...cost })
}

function format({ cost, salt, hash }: Stored): string {
  const base64 = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '')
  return `$argon2id$v=19$m=${cost.memory},t=${cost.passes},p=${cost.parallelism}$${base64(salt)}$${base64(hash)}`
}

function parse(text: string): Stored | undefined {
  const [, memory, passes, parallelism, salt, hash] = PHC.exec(text) ?? []
  if (hash === undefined) return undefined
  return {
    cost: { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism) },
    salt: Buffer.from(salt!, 'base64'),
    hash: Buffer.from(hash, 'base64'),
  }
}
