/** A statement of a session, as it is recorded: what of it is shown is decided when that is first asked for. */

import { createHash } from 'node:crypto'
import type { LongTextNote } from './long-text.ts'
import { type NamedBySql, namedBy } from './sql/names.ts'
import type { Outcome } from './sql/outcome.ts'
import { type Reading, type Shown, showStatement } from './sql/redact.ts'

/** What takes more room in a recording is recorded whole once: ten bytes can run it again, thousands of times in one chunk. */
const MOST_RECORDED_AGAIN = 1024
const HEAD_CHARACTERS = 200
/** Once for its Parse and once for a Bind: more, and small requests could fill the recording. */
const MOST_SETTLED = 2

const PLAIN_DATA = /^\s*(?:select|insert|update|delete|merge|values|table|with)\b[^;]*;?\s*$/i
const RUNS_CODE = /\b(?:do|call)\b/i

/** A statement's text for the recording; with `cut`, the head of it (events.ts says what is in there). */
export interface RecordedText {
  readonly text: string
  readonly cut?: { readonly bytes: number; readonly sha256?: string; readonly before?: true }
  readonly how: Shown['how']
  /** What is hidden, for the protected part of the recording. */
  readonly whole?: { readonly text: string; readonly sha256?: string }
}

export class Statement {
  /** The OIDs of its values' types: what Parse gave (0: not told), or what the server says. */
  types: readonly number[]
  /** Whether it is not sure that this is what its name stands for (events.ts). */
  identity: 'unknown' | 'doubtful' | undefined
  /** The client encoding, where the text could not be read in it (events.ts). */
  undecoded: string | undefined
  readonly #plain: string
  readonly #reading: Reading
  readonly #note: LongTextNote | undefined
  readonly #shown: Partial<Record<Outcome, Shown>> = {}
  /** It is part of a statement that has been recorded. */
  #ofSql = false
  /** What is recorded the next time. */
  readonly #again: Partial<Record<Outcome, RecordedText>> = {}
  #recorded = false
  #recordedAsAsked = false
  #settled = 0

  /** `note` is there when `plain` is the head of a longer text. */
  constructor(plain: string, reading: Reading, types: readonly number[] = [], note?: LongTextNote) {
    this.#plain = plain
    this.#reading = reading
    this.types = types
    this.#note = note
  }

  /** A text of the gateway's in place of the statement's. */
  static of(words: string): Statement {
    return Statement.#showing({ text: words, how: 'all' })
  }

  /** The same where the text is not known, and so neither whether its values are secrets. */
  static unknown(words: string): Statement {
    const statement = Statement.#showing({ text: words, how: 'hidden' })
    statement.identity = 'unknown'
    return statement
  }

  static #showing(shown: Shown): Statement {
    const statement = new Statement('', { backslashQuotes: false, whole: true, certain: true })
    for (const outcome of ['accepted', 'refused', 'misread', 'asked'] as const) statement.#shown[outcome] = shown
    return statement
  }

  /** Roughly the memory that it takes. */
  get size(): number {
    return this.#plain.length + 8 * this.types.length
  }

  /** Whether it may drop and give names of statements and portals, as far as can be seen (not inside of functions). */
  get mayRename(): boolean {
    return this.#note !== undefined || !isPlainData(this.#plain)
  }

  /** The same for code, which does that without a word of the server. */
  get mayRenameUnseen(): boolean {
    return this.#note !== undefined || (!isPlainData(this.#plain) && RUNS_CODE.test(this.#plain))
  }

  /** What it gives names to by PREPARE or DECLARE; undefined where that is not sure. */
  names(kind: NamedBySql['kind']): { name: string; statement: Statement }[] | undefined {
    const { backslashQuotes, certain } = this.#reading
    const named = this.#note === undefined && certain ? namedBy(this.#plain, backslashQuotes) : undefined
    return named
      ?.filter(named => named.kind === kind)
      .map(({ name, text }) => {
        const statement = new Statement(text, this.#reading)
        statement.#ofSql = true
        statement.undecoded = this.undecoded
        return { name, statement }
      })
  }

  /** Whether the recording has it, with what became of it. */
  get recorded(): boolean {
    return this.#recorded || this.#ofSql
  }

  /** Whether the recording has it as something that was asked. */
  get recordedAsAsked(): boolean {
    return this.#recordedAsAsked || this.recorded
  }

  /**
   * A Parse or Bind that was recorded as asked has its answer: readers see no more of that, and where the recording has nothing else of it
   * yet, it is recorded anew when it is asked again.
   */
  settleAsked(): void {
    if (this.#recorded || this.#settled++ >= MOST_SETTLED) return
    delete this.#again.asked
    this.#recordedAsAsked = false
  }

  /** All that is kept of the text the first time (when it is asked, and when it is answered); after that, where it is long, its head. */
  textToRecord(outcome: Outcome): RecordedText {
    const before = this.#again[outcome]
    if (before !== undefined) return before
    const shown = this.#show(outcome)
    const { accepted, refused } = this.#again
    const known =
      outcome === 'asked' || shown.how !== 'all' ? undefined : [accepted, refused].find(one => one?.how === 'all')
    const first = known ?? this.#first(shown)
    this.#again[outcome] = known === undefined && isLong(first.text) ? headOf(first) : first
    if (outcome === 'asked') this.#recordedAsAsked = true
    else this.#recorded = true
    return first
  }

  #first({ text, how }: Shown): RecordedText {
    const whole = how === 'hidden' && this.identity !== 'unknown' ? { whole: { text: this.#plain } } : {}
    if (this.#note === undefined) return { text, how, ...whole }
    const { bytes, sha256 } = this.#note
    if (how === 'all') return { text, how, cut: sha256 === undefined ? { bytes } : { bytes, sha256 } }
    // No hash where it could be used to guess the secret.
    return { text, how, cut: { bytes }, whole: { text: this.#plain, ...(sha256 === undefined ? {} : { sha256 }) } }
  }

  #show(outcome: Outcome): Shown {
    const known = this.#shown[outcome]
    if (known !== undefined) return known
    const shown = showStatement(this.#plain, this.#reading, outcome)
    this.#shown[outcome] = shown
    return shown
  }
}

/** Whether it is one statement of the kind that reads or writes rows, or nothing. */
const isPlainData = (plain: string): boolean => plain === '' || PLAIN_DATA.test(plain)

/** Whether it is too long to be recorded again and again: its length as JSON counts, where a control character is six. */
export function isLong(recorded: string | readonly (string | null)[]): boolean {
  const most = typeof recorded === 'string' ? mostRoom(recorded) : recorded.reduce((sum, one) => sum + mostRoom(one), 2)
  return most > MOST_RECORDED_AGAIN && JSON.stringify(recorded).length > MOST_RECORDED_AGAIN
}

/** With quotes and a comma, or as `null`. */
function mostRoom(value: string | null): number {
  return 6 * (value?.length ?? 0) + 5
}

function headOf({ text, how }: RecordedText): RecordedText {
  const sha256 = createHash('sha256').update(text).digest('hex')
  return {
    text: text.slice(0, HEAD_CHARACTERS),
    cut: { bytes: Buffer.byteLength(text), sha256, before: true },
    how,
  }
}
