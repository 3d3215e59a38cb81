/** A portal: a statement with its values, and what of it is recorded. */

import { readBindValues } from '../wire/client-requests.ts'
import { HIDDEN } from './sql/hide-literals.ts'
import type { Shown } from './sql/redact.ts'
import { holdsSecret } from './sql/secret-words.ts'
import { isLong, type Statement } from './statement.ts'
import { showValue } from './values/bind-values.ts'
import type { ClientEncoding } from './values/client-encoding.ts'

const REDACTED = '[redacted]'
const UNREADABLE = '(values that cannot be read)'

/** Bind values for the recording, or how many there are; `whole`: what of them is hidden, for its protected part. */
interface RecordedValues {
  readonly shown: readonly (string | null)[] | number
  readonly whole?: readonly (string | null)[]
}

export class Portal {
  readonly statement: Statement
  /** Whether it is not sure that this is what its name stands for. */
  identity: Statement['identity']
  readonly #body: Buffer | undefined
  readonly #length: number
  readonly #read: typeof readBindValues
  #answered: { how: Shown['how']; values: RecordedValues } | undefined
  #asked: { how: Shown['how']; values: RecordedValues } | undefined

  /** `read` knows how the values stand in `body`. */
  constructor(statement: Statement, body?: Buffer, length = 0, read = readBindValues) {
    this.statement = statement
    this.identity = statement.identity
    this.#read = read
    this.#body = body
    this.#length = length
  }

  /** Whether the recording has it, with what became of it. */
  get recorded(): boolean {
    return this.#answered !== undefined || (this.#body === undefined && this.statement.recorded)
  }

  /** Whether the recording has it as something that was asked. */
  get recordedAsAsked(): boolean {
    return (
      this.#asked !== undefined ||
      this.#answered !== undefined ||
      (this.#body === undefined && this.statement.recordedAsAsked)
    )
  }

  /** As with its statement. */
  settleAsked(): void {
    this.#asked = undefined
    this.statement.settleAsked()
  }

  /** Whether to run it may give names to others (statement.ts): what is not known may be anything. */
  get mayRename(): boolean {
    return this.identity !== undefined || this.statement.mayRename
  }

  /** The same for code. By SQL a name can only be given to what is none. */
  get mayRenameUnseen(): boolean {
    return this.identity === 'unknown' || this.statement.mayRenameUnseen
  }

  get bytes(): number {
    return 64 + (this.#body?.length ?? 0)
  }

  /** The values for the recording: all the first time (as with the text); after that, where they are long, how many there were. */
  valuesToRecord(encoding: ClientEncoding, how: Shown['how'], asked: boolean): RecordedValues {
    const before = asked ? this.#asked : this.#answered
    if (before?.how === how) return before.values
    const first = this.#show(encoding, how)
    const values = isLong(first.whole ?? first.shown) ? { shown: first.shown.length } : first
    if (asked) this.#asked = { how, values }
    else this.#answered = { how, values }
    return first
  }

  #show(encoding: ClientEncoding, how: Shown['how']): { shown: (string | null)[]; whole?: (string | null)[] } {
    if (this.#body === undefined) return { shown: [] }
    if (how === 'redacted') return { shown: this.#readValues(() => REDACTED) }
    const { types } = this.statement
    let hides = how === 'hidden'
    const values = this.#readValues((index, bytes, binary, length) => {
      const value = showValue(bytes, length, binary, types[index] ?? 0, encoding)
      hides ||= holdsSecret(value)
      return value
    })
    if (!hides || values.length === 0) return { shown: values }
    const isShown = (value: string | null) => value === UNREADABLE || (how === 'all' && !holdsSecret(value ?? ''))
    return { shown: values.map(value => (isShown(value) ? value : HIDDEN)), whole: values }
  }

  #readValues(show: Parameters<typeof readBindValues>[2]): (string | null)[] {
    try {
      return this.#read(this.#body!, this.#length, show)
    } catch {
      // The counts in it lie. It is for the target to refuse; that it was tried is recorded.
      return [UNREADABLE]
    }
  }
}
