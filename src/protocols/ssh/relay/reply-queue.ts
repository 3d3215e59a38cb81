/** Keeps replies in the order of their requests (RFC 4254 §4, §5.4): an answer of the gateway waits for the peer's before it. */

import { WireError } from '../../../shared/ssh-encoding/wire.ts'

/** More requests without an answer than this is no conversation. */
const MAX_OPEN_REQUESTS = 1_024

interface Refused {
  readonly answer: () => void
  due: boolean
}

interface Forwarded {
  readonly answer?: undefined
  readonly due?: undefined
  /** Called with the peer's answer, before it passes; throws WireError for one that cannot be. */
  readonly heard: ((reply: Buffer) => void) | undefined
  /** The one who asked wants no answer. */
  readonly forUs: boolean
}

export class ReplyQueue {
  #waiting: (Refused | Forwarded)[] = []

  /** No answer is owed. */
  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** The peer was sent a request that it must answer; `heard` is called with the answer. */
  forwarded(heard?: (reply: Buffer) => void): void {
    this.#push({ heard, forUs: false })
  }

  /** The same, where the answer is for the gateway alone, and does not pass. */
  asked(heard: (reply: Buffer) => void): void {
    this.#push({ heard, forUs: true })
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
  answered(reply: Buffer, pass: () => void): void {
    // A refusal that was to wait a little goes first all the same: order is the rule, the delay a courtesy.
    for (let first = this.#waiting[0]; first?.answer !== undefined; first = this.#waiting[0]) {
      this.#waiting.shift()
      first.answer()
    }
    const request = this.#waiting.shift() as Forwarded | undefined
    if (request === undefined) throw new WireError('a reply to no request')
    request.heard?.(reply)
    if (!request.forUs) pass()
    this.#flush()
  }

  #push(entry: Refused | Forwarded): void {
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
