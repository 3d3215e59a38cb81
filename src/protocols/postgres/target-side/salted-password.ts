/** What SCRAM-SHA-256 makes of a password before anything else (RFC 5802 §3), and the HMAC that its keys are made with. */

import { createHmac, pbkdf2 } from 'node:crypto'
import { promisify } from 'node:util'
import { createSemaphore } from '../../../shared/concurrency/semaphore.ts'
import type { Secret } from '../../../shared/secret.ts'
import { saslprep } from './saslprep.ts'

const derive = promisify(pbkdf2)
const KEY_BYTES = 32
/** Targets that ask for many iterations hold up each other, and not the hashing and the files of everybody else (libuv has four threads). */
const withPermit = createSemaphore(2, 200)

/** As good as the password: whoever is given it erases it. */
export async function saltedPassword(password: Secret, salt: Buffer, iterations: number): Promise<Buffer> {
  return withPermit(() => {
    // Not before its turn: by then the lease may be over.
    const plain = password.revealBytes()
    const prepared = saslprep(plain)
    const derived = derive(prepared, salt, iterations, KEY_BYTES, 'sha256')
    // Node has copied it.
    if (prepared !== plain) prepared.fill(0)
    return derived
  })
}

export function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
