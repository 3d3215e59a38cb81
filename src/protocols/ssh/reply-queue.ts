/** Keeps replies in the order of their requests (RFC 4254 §4, §5.4): an answer of the gateway waits for the peer's before it. */

import { WireError } from './wire.ts'

/** More requests without an answer than this is no conversation. */
const MAX_OPEN_REQUESTS = 1_024

export class ReplyQueue {
  /** For each open request: undefined where the peer answers, a function where the gateway refuses. */
  #waiting: ((() => void) | undefined)[] = []

  /** The peer was sent a request that it must answer. */
  forwarded(): void {
    this.#push(undefined)
  }

  /** The gateway refuses a request: `answer` is called when it is its turn, maybe now. */
  refused(answer: () => void): void {
    this.#push(answer)
    this.#flush()
  }

  /** The peer answered: pass its answer on with `pass`, then those of the gateway that waited behind it. */
  answered(pass: () => void): void {
    if (this.#waiting.length === 0) throw new WireError('a reply to no request')
    this.#waiting.shift()
    pass()
    this.#flush()
  }

  #push(answer: (() => void) | undefined): void {
    if (this.#waiting.length >= MAX_OPEN_REQUESTS) throw new WireError('too many open requests')
    this.#waiting.push(answer)
  }

  #flush(): void {
    for (let answer = this.#waiting[0]; answer !== undefined; answer = this.#waiting[0]) {
      this.#waiting.shift()
      answer()
    }
  }
}
