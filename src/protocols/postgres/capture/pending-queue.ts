/** The requests of a client that wait for their answers, in order; bounded, so that a client cannot grow the gateway's memory. */

import { EXECUTE, FUNCTION_CALL, QUERY } from '../wire/message-types.ts'
import type { Portal } from './portal.ts'
import type { Statement } from './statement.ts'

/** More than any server holds back in its own output buffer, so that waiting for answers can never be for ever. */
const MOST_ENTRIES = 65_536
const MOST_BYTES = 16 * 1024 * 1024
const COMPACT_AFTER = 1024

/** One request. `kind` is its message type; which fields are used depends on it. */
export class Pending {
  readonly kind: number
  /** performance.now() when it passed. */
  readonly at: number
  readonly bytes: number
  /** The portal's name; of a Parse, the statement's. */
  name = ''
  statementName = ''
  ofStatement = false
  statement: Statement | undefined = undefined
  /** The body of a Bind (its head, where it is long) and its whole length. */
  body: Buffer | undefined = undefined
  bodyLength = 0
  rows = 0
  tag = ''
  tagCount = 0
  tagRows: number | undefined = undefined
  recorded = false
  /** What is executed, as it was recorded before there was an answer, and by which number. */
  portal: Portal | undefined = undefined
  asked = 0

  constructor(kind: number, at: number, bytes: number) {
    this.kind = kind
    this.at = at
    this.bytes = bytes
  }

  /** Whether it runs something by itself. */
  get runs(): boolean {
    return this.kind === EXECUTE || this.kind === QUERY || this.kind === FUNCTION_CALL
  }
}

export class PendingQueue {
  #entries: Pending[] = []
  #first = 0
  #bytes = 0
  /** So many from the head on have been recorded as asked. */
  #recordedCount = 0
  #unrecordedBytes = 0

  get head(): Pending | undefined {
    return this.#entries[this.#first]
  }

  get full(): boolean {
    return this.#entries.length - this.#first > MOST_ENTRIES || this.#bytes > MOST_BYTES
  }

  /** Bytes of the requests that are not recorded yet. */
  get unrecordedBytes(): number {
    return this.#unrecordedBytes
  }

  /** When the first of them passed; Infinity where there is none. */
  get unrecordedSince(): number {
    return this.#entries[this.#first + this.#recordedCount]?.at ?? Number.POSITIVE_INFINITY
  }

  /** All that wait, and how many of them were recorded before; from now on all count as recorded. */
  markAllRecorded(): { all: readonly Pending[]; recordedBefore: number } {
    const all = this.#entries.slice(this.#first)
    const recordedBefore = this.#recordedCount
    this.#recordedCount = all.length
    this.#unrecordedBytes = 0
    return { all, recordedBefore }
  }

  push(kind: number, at: number, bytes: number): Pending {
    const pending = new Pending(kind, at, bytes)
    this.#entries.push(pending)
    this.#bytes += bytes
    this.#unrecordedBytes += bytes
    return pending
  }

  shift(): Pending | undefined {
    const pending = this.#entries[this.#first]
    if (pending === undefined) return undefined
    this.#bytes -= pending.bytes
    if (this.#recordedCount > 0) this.#recordedCount--
    else this.#unrecordedBytes -= pending.bytes
    this.#first++
    if (this.#first === this.#entries.length) {
      this.#entries.length = 0
      this.#first = 0
    } else if (this.#first > COMPACT_AFTER && this.#first * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first)
      this.#first = 0
    }
    return pending
  }

  /** Drops what stands before the next request of this kind, and reports each; false when there is none and all were dropped. */
  dropUntil(kind: number, dropped: (pending: Pending) => void): boolean {
    for (let { head } = this; head !== undefined; head = this.head) {
      if (head.kind === kind) return true
      this.shift()
      dropped(head)
    }
    return false
  }

  /** The first after the head that is of another kind. */
  nextBut(kind: number): Pending | undefined {
    let at = this.#first + 1
    while (this.#entries[at]?.kind === kind) at++
    return this.#entries[at]
  }

  /**
   * The server has begun to take COPY data: it ignores the Syncs that were sent before the copy's end. `ended` when that end
   * is among what was sent already; it is dropped too.
   */
  dropSyncsUntilCopyEnd(sync: number, copyEnd: number): { syncs: number; ended: boolean } {
    const from = this.#first + 1
    let at = from
    while (at < this.#entries.length && this.#entries[at]!.kind === sync) at++
    const ended = this.#entries[at]?.kind === copyEnd
    const dropped = at - from + (ended ? 1 : 0)
    this.#entries.splice(from, dropped)
    // They have no bytes that count.
    this.#recordedCount -= Math.min(dropped, Math.max(0, this.#recordedCount - 1))
    return { syncs: at - from, ended }
  }
}
