/** The key encryption key: wraps data keys, names itself by a hash, and never shows its bytes. */

import { createHash, createSecretKey, type KeyObject } from 'node:crypto'

export const KEY_BYTES = 32

export class KeyEncryptionKey {
  /** 16 hex digits of a domain-separated hash: tells keys apart and says nothing about them. */
  readonly id: string
  readonly #key: KeyObject

  /** Takes over `bytes` (32) and erases them. */
  constructor(bytes: Buffer) {
    if (bytes.length !== KEY_BYTES) throw new RangeError(`a key encryption key has ${KEY_BYTES} bytes`)
    this.id = createHash('sha256').update('sallyport vault key id v1\0').update(bytes).digest('hex').slice(0, 16)
    this.#key = createSecretKey(bytes)
    bytes.fill(0)
  }

  /** For `envelope.ts`, and for the workers of a gateway, only. */
  get keyObject(): KeyObject {
    return this.#key
  }
}
