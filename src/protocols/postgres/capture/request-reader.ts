/** Reads what the client asks for, as it passes, and puts what is needed of it into the queue until its answer comes. */

import { isAscii } from 'node:buffer'
import {
  readBindNames,
  readExecutePortal,
  readFunction,
  readNamed,
  readParse,
  readQuery,
  type Text,
} from '../wire/client-requests.ts'
import { BIND, CLOSE, DESCRIBE, EXECUTE, FUNCTION_CALL, PARSE, QUERY } from '../wire/message-types.ts'
import { LongText } from './long-text.ts'
import type { Pending, PendingQueue } from './pending-queue.ts'
import type { ReportedSettings } from './reported-settings.ts'
import { MAY_HOLD_SECRET } from './sql/secret-words.ts'
import { Statement } from './statement.ts'
import { wholeCharacters } from './values/client-encoding.ts'

export class RequestReader {
  readonly #queue: PendingQueue
  readonly #settings: ReportedSettings
  readonly #longText = new LongText()
  /** Something runs, and may change how the server reads what comes behind it: it tells of that when all is answered. */
  #unsettled = false

  constructor(queue: PendingQueue, settings: ReportedSettings) {
    this.#queue = queue
    this.#settings = settings
  }

  /** A part of a message that is too long to be kept; `read` follows, with its head. */
  part(type: number, bytes: Buffer, start: number, end: number, first: boolean): void {
    if (type === QUERY || type === PARSE) this.#longText.add(bytes, start, end, first, type === PARSE ? 1 : 0)
  }

  /** The body of a message of this type, or its head, where it is longer than what is kept; `now`: when it passed. */
  read(type: number, bytes: Buffer, start: number, end: number, length: number, now: number): void {
    switch (type) {
      case QUERY: {
        const statement = this.#statementOf(readQuery(bytes, start, end, length), [])
        this.#add(QUERY, now, statement.size).statement = statement
        break
      }
      case PARSE: {
        const { name, text, types } = readParse(bytes, start, end, length)
        const statement = this.#statementOf(text, types)
        const pending = this.#add(PARSE, now, end - start)
        pending.name = name
        pending.statement = statement
        break
      }
      case BIND: {
        const { portal, statement } = readBindNames(bytes, start, end)
        const pending = this.#add(BIND, now, end - start)
        pending.name = portal
        pending.statementName = statement
        pending.body = Buffer.from(bytes.subarray(start, end))
        pending.bodyLength = length
        break
      }
      case FUNCTION_CALL: {
        const statement = Statement.of(`(a call of function ${readFunction(bytes, start, end)})`)
        const pending = this.#add(FUNCTION_CALL, now, end - start)
        pending.statement = statement
        pending.body = Buffer.from(bytes.subarray(start, end))
        pending.bodyLength = length
        break
      }
      case EXECUTE: {
        const portal = readExecutePortal(bytes, start, end)
        this.#add(EXECUTE, now, end - start).name = portal
        break
      }
      case DESCRIBE:
      case CLOSE: {
        const { kind, name } = readNamed(bytes, start, end)
        const pending = this.#add(type, now, end - start)
        if (kind === 'S') pending.statementName = name
        else pending.name = name
        pending.ofStatement = kind === 'S'
        break
      }
    }
  }

  #add(kind: number, now: number, bytes: number): Pending {
    const pending = this.#queue.push(kind, now, bytes)
    if (pending.runs) this.#unsettled = true
    return pending
  }

  #statementOf(text: Text, types: readonly number[]): Statement {
    const { encoding, backslashQuotes } = this.#settings
    const note = text.cut ? this.#longText.note() : undefined
    const bytes = text.cut ? wholeCharacters(text.bytes, encoding) : text.bytes
    const { text: plain, exact } = encoding.decode(bytes)
    if (this.#queue.head === undefined) this.#unsettled = false
    const mayDiffer = (encoding.overlaps || this.#unsettled) && !isAscii(bytes)
    const certain = !(mayDiffer && mayBeOtherSql(bytes, plain))
    const statement = new Statement(plain, { backslashQuotes, whole: !text.cut, certain }, types, note)
    if (!exact) statement.undecoded = encoding.name
    return statement
  }
}

/** Whether the server may find other SQL in the bytes than stands in `text`, where it reads them in another encoding. */
function mayBeOtherSql(bytes: Buffer, text: string): boolean {
  const raw = bytes.toString('latin1')
  // A backslash that is the second byte of a character, or is not; a word that is hidden by the byte before it.
  return /[\x80-\xff]\\/.test(raw) || (MAY_HOLD_SECRET.test(raw) && !MAY_HOLD_SECRET.test(text))
}
