/** A statement of a session, as it is recorded: its secrets are taken out when that is first asked for. */

import { createHash } from 'node:crypto'
import type { LongTextNote } from './long-text.ts'
import { type Redacted, redactStatement } from './redact.ts'
import { type NamedBySql, namedBy } from './sql-names.ts'

/** What takes more room in a recording is recorded whole once: ten bytes can run it again, thousands of times in one chunk. */
const MOST_RECORDED_AGAIN = 1024
const HEAD_CHARACTERS = 200

const PLAIN_DATA = /^\s*(?:select|insert|update|delete|merge|values|table|with)\b[^;]*;?\s*$/i
const RUNS_CODE = /\b(?:do|call)\b/i

/** A statement's text for the recording; with `cut`, the head of it (events.ts says what is in there). */
export interface Told {
  readonly text: string
  readonly cut?: { readonly bytes: number; readonly sha256?: string; readonly before?: true }
}

export class Statement {
  /** The OIDs of its values' types: what Parse gave (0: not told), or what the server says. */
  types: readonly number[]
  /** Whether it is not sure that this is what its name stands for (events.ts). */
  identity: 'unknown' | 'doubtful' | undefined
  /** The client encoding, where the text could not be read in it (events.ts). */
  undecoded: string | undefined
  readonly #plain: string
  readonly #backslashQuotes: boolean
  readonly #note: LongTextNote | undefined
  #safe: Redacted | undefined
  /** It is part of a statement that has been recorded. */
  #ofSql = false
  #all: Told | undefined
  #again: Told | undefined
  #told = false
  #toldAsked = false

  /** `note` is there when `plain` is the head of a longer text. */
  constructor(plain: string, backslashQuotes: boolean, types: readonly number[] = [], note?: LongTextNote) {
    this.#plain = plain
    this.#backslashQuotes = backslashQuotes
    this.types = types
    this.#note = note
  }

  /** Words of the gateway in place of a text. */
  static of(words: string): Statement {
    const statement = new Statement('', false)
    statement.#safe = { text: words, redacted: false }
    return statement
  }

  /** The same where the text is not known, and so neither whether its values are secrets. */
  static unknown(words: string): Statement {
    const statement = new Statement('', false)
    statement.#safe = { text: words, redacted: true }
    statement.identity = 'unknown'
    return statement
  }

  /** Roughly the memory that it takes. */
  get size(): number {
    return this.#plain.length + 8 * this.types.length
  }

  get redacted(): boolean {
    return this.#made().redacted
  }

  /** Whether it may drop and give names of statements and portals, as far as can be seen (not inside of functions). */
  get mayRename(): boolean {
    return this.#note !== undefined || !isPlainData(this.#plain)
  }

  /** The same for code, which does that without a word of the server. */
  get mayRenameUnseen(): boolean {
    return this.#note !== undefined || (!isPlainData(this.#plain) && RUNS_CODE.test(this.#plain))
  }

  /** What it gives names to by PREPARE or DECLARE; undefined where that cannot be told for sure. */
  names(kind: NamedBySql['kind']): { name: string; statement: Statement }[] | undefined {
    const named = this.#note === undefined ? namedBy(this.#plain, this.#backslashQuotes) : undefined
    return named
      ?.filter(named => named.kind === kind)
      .map(({ name, text }) => {
        const statement = new Statement(text, this.#backslashQuotes)
        statement.#ofSql = true
        statement.undecoded = this.undecoded
        return { name, statement }
      })
  }

  /** Whether the recording has it, with what became of it. */
  get told(): boolean {
    return this.#told || this.#ofSql
  }

  /** Whether the recording has it as something that was asked. */
  get toldAsked(): boolean {
    return this.#toldAsked || this.told
  }

  /** All that is kept of the text the first time (when it is asked, and when it is answered); after that, where it is long, its head. */
  tell(asked: boolean): Told {
    this.#all ??= this.#whole()
    const before = asked ? this.#toldAsked : this.#told
    if (asked) this.#toldAsked = true
    else this.#told = true
    if (!before) return this.#all
    this.#again ??= isLong(this.#all.text) ? headOf(this.#all.text) : this.#all
    return this.#again
  }

  #whole(): Told {
    const { text, redacted } = this.#made()
    if (this.#note === undefined) return { text }
    const { bytes, sha256 } = this.#note
    // No hash where it could be used to guess the secret.
    return { text, cut: redacted || sha256 === undefined ? { bytes } : { bytes, sha256 } }
  }

  #made(): Redacted {
    this.#safe ??= redactStatement(this.#plain, this.#backslashQuotes)
    return this.#safe
  }
}

/** Whether it is one statement of the kind that reads or writes rows, or nothing. */
const isPlainData = (plain: string): boolean => plain === '' || PLAIN_DATA.test(plain)

/** Whether it is too long to be recorded again and again: its length as JSON counts, where a control character is six. */
export function isLong(recorded: unknown): boolean {
  return JSON.stringify(recorded).length > MOST_RECORDED_AGAIN
}

function headOf(recorded: string): Told {
  const sha256 = createHash('sha256').update(recorded).digest('hex')
  return { text: recorded.slice(0, HEAD_CHARACTERS), cut: { bytes: Buffer.byteLength(recorded), sha256, before: true } }
}
