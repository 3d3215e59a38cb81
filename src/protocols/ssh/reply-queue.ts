/** Keeps replies in the order of their requests (RFC 4254 §4, §5.4): an answer of the gateway waits for the peer's before it. */

import { WireError } from './wire.ts'

/** More requests without an answer than this is no conversation. */
const MAX_OPEN_REQUESTS = 1_024

interface Refused {
  readonly answer: () => void
  due: boolean
}

export class ReplyQueue {
  /** For each open request: undefined where the peer answers. */
  #waiting: (Refused | undefined)[] = []

  /** The peer was sent a request that it must answer. */
  forwarded(): void {
    this.#push(undefined)
  }

  /** The gateway refuses a request: `answer` is called when it is its turn, and not before `afterMs`. */
  refused(answer: () => void, afterMs = 0): void {
    const refused = { answer, due: afterMs === 0 }
    this.#push(refused)
    if (refused.due) this.#flush()
    else
      setTimeout(() => {
        refused.due = true
        this.#flush()
      }, afterMs).unref()
  }

  /** The peer answered: pass its answer on with `pass`, then those of the gateway that waited behind it. */
  answered(pass: () => void): void {
    // A refusal that was to wait a little goes first all the same: order is the rule, the delay a courtesy.
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      this.#waiting.shift()
      first.answer()
    }
    if (this.#waiting.length === 0) throw new WireError('a reply to no request')
    this.#waiting.shift()
    pass()
    this.#flush()
  }

  #push(entry: Refused | undefined): void {
    if (this.#waiting.length >= MAX_OPEN_REQUESTS) throw new WireError('too many open requests')
    this.#waiting.push(entry)
  }

  #flush(): void {
    for (let first = this.#waiting[0]; first?.due; first = this.#waiting[0]) {
      this.#waiting.shift()
      first.answer()
    }
  }
}
