/** The thread of `bcrypt.ts`: derives one key and ends. */

import { parentPort, workerData } from 'node:worker_threads'
import bcrypt from 'bcrypt-pbkdf'

const { passphrase, salt, rounds, bytes } = workerData as {
  passphrase: Uint8Array
  salt: Uint8Array
  rounds: number
  bytes: number
}
const derived = new Uint8Array(bytes)
const failed = bcrypt.pbkdf(passphrase, passphrase.length, salt, salt.length, derived, bytes, rounds) !== 0
passphrase.fill(0)
if (failed) throw new Error('the key derivation refused its parameters')
parentPort!.postMessage(derived, [derived.buffer])
