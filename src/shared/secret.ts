/** A value that must never be printed: it shows as `[secret]` in logs, JSON, errors and the inspector. */

import { inspect } from 'node:util'

const SHOWN = '[secret]'

export class Secret {
  readonly #bytes: Buffer

  /** Takes UTF-8 text or raw bytes; bytes are copied. */
  constructor(value: string | Uint8Array) {
    this.#bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : Buffer.from(value)
  }

  /** The secret as UTF-8 text. Only `vault/`, the upstream files and the factor checks may call it. */
  reveal(): string {
    return this.#bytes.toString('utf8')
  }

  /** The secret's bytes (the buffer itself: do not keep it). Same rule as {@link reveal}. */
  revealBytes(): Buffer {
    return this.#bytes
  }

  get byteLength(): number {
    return this.#bytes.length
  }

  toString(): string {
    return SHOWN
  }

  toJSON(): string {
    return SHOWN
  }

  [inspect.custom](): string {
    return SHOWN
  }
}
