/** A statement of a session, as it is recorded: its secrets are taken out when that is first asked for. */

import { createHash } from 'node:crypto'
import type { LongTextNote } from './long-text.ts'
import { type Redacted, redactStatement } from './redact.ts'

/** What takes more room in a recording is recorded whole once: ten bytes can run it again, thousands of times in one chunk. */
const MOST_RECORDED_AGAIN = 1024
const HEAD_CHARACTERS = 200

export class Statement {
  readonly types: readonly number[]
  readonly #plain: string
  readonly #backslashQuotes: boolean
  readonly #note: LongTextNote | undefined
  #safe: Redacted | undefined
  #toldBefore = false
  #again: string | undefined

  /** `types` are the OIDs that Parse gave; `note` is there when `plain` is the head of a longer text. */
  constructor(plain: string, backslashQuotes: boolean, types: readonly number[] = [], note?: LongTextNote) {
    this.#plain = plain
    this.#backslashQuotes = backslashQuotes
    this.types = types
    this.#note = note
  }

  /** Words of the gateway in place of a text that is not known. `valuesAreSecret`: nor can be known what its values are. */
  static named(words: string, valuesAreSecret = false): Statement {
    const statement = new Statement('', false)
    statement.#safe = { text: words, redacted: valuesAreSecret }
    return statement
  }

  get size(): number {
    return this.#plain.length
  }

  get redacted(): boolean {
    return this.#made().redacted
  }

  /** The text for the recording: whole the first time; after that, where it is long, its head and its hash. */
  tell(): string {
    const { text } = this.#made()
    if (this.#toldBefore) {
      this.#again ??= isLong(text) ? referTo(text) : text
      return this.#again
    }
    this.#toldBefore = true
    return text
  }

  #made(): Redacted {
    this.#safe ??= this.#make()
    return this.#safe
  }

  #make(): Redacted {
    const safe = redactStatement(this.#plain, this.#backslashQuotes)
    if (this.#note === undefined) return safe
    const { bytes, sha256 } = this.#note
    // No hash where it could be used to guess the secret.
    const hash = safe.redacted || sha256 === undefined ? '' : `; SHA-256 of the whole text: ${sha256}`
    return { text: `${safe.text}\n… (cut here; ${bytes} bytes in all${hash})`, redacted: safe.redacted }
  }
}

/** Whether it is too long to be recorded again and again: its length as JSON counts, where a control character is six. */
export function isLong(recorded: unknown): boolean {
  return JSON.stringify(recorded).length > MOST_RECORDED_AGAIN
}

function referTo(recorded: string): string {
  const sha256 = createHash('sha256').update(recorded).digest('hex')
  return `${recorded.slice(0, HEAD_CHARACTERS)}… (recorded whole before: ${recorded.length} characters, SHA-256 ${sha256})`
}
