/** What a server keeps of a password, computed here: so the password itself is in no statement, and in no log of the server. */

import { createHash, randomBytes } from 'node:crypto'
import { erasableBytes, type Secret } from '../../../shared/secret.ts'
import { md5Digits } from '../target-side/md5-password.ts'
import { hmac, saltedPassword } from '../target-side/salted-password.ts'

/** As many as a server's own verifiers have (SCRAM_DEFAULT_SALT_LEN in PostgreSQL's scram-common.h). */
const SALT_BYTES = 16

/** `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`, as `pg_authid.rolpassword` holds it (RFC 5803). The caller erases it. */
export async function scramVerifier(
  password: Secret,
  iterations: number,
  salt = randomBytes(SALT_BYTES),
): Promise<Buffer> {
  const salted = await saltedPassword(password, salt, iterations)
  const clientKey = hmac(salted, 'Client Key')
  const storedKey = createHash('sha256').update(clientKey).digest('base64')
  const serverKey = hmac(salted, 'Server Key').toString('base64')
  for (const asGoodAsThePassword of [salted, clientKey]) asGoodAsThePassword.fill(0)
  return Buffer.from(`SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${serverKey}`)
}

/** `md5` and the digits, for a target whose entry allows nothing better. The caller erases it. */
export function md5Verifier(user: string, password: Secret): Buffer {
  const digits = md5Digits(user, password)
  const verifier = erasableBytes(3 + digits.length)
  verifier.write('md5')
  verifier.set(digits, 3)
  digits.fill(0)
  return verifier
}
