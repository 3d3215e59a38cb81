/** OpenSSH's key derivation (bcrypt_pbkdf), on a thread of its own: it computes for a good part of a second. */

import { Worker } from 'node:worker_threads'

const THREAD = new URL('./bcrypt-thread.ts', import.meta.url)

export function deriveByBcrypt(passphrase: Buffer, salt: Buffer, rounds: number, bytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const work = { passphrase: Uint8Array.from(passphrase), salt: Uint8Array.from(salt), rounds, bytes }
    // It takes nothing of this process: neither its environment nor what Node was told to load first.
    const thread = new Worker(THREAD, {
      workerData: work,
      transferList: [work.passphrase.buffer],
      env: {},
      execArgv: [],
    })
    thread.once('message', (derived: Uint8Array) => resolve(Buffer.from(derived.buffer)))
    thread.once('error', reject)
    thread.once('exit', () => reject(new Error('the thread of the key derivation ended without a result')))
  })
}
