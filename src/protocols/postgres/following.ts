/** Follows the statements of one session: everyday messages a little later, many at a time; everything else at once. */

import { Backlog, type Follower, Share } from './backlog.ts'
import type { StatementLog } from './statement-log.ts'
import { areWholeAnswers, areWholeRequests } from './wire/whole-messages.ts'

export class Following implements Follower {
  readonly #log: StatementLog
  readonly #backlog: Backlog
  readonly #onFollowed: (failure: unknown) => void
  readonly #share = new Share(this)
  #busy = false
  #failure: unknown

  /** `onFollowed` is called when what waited has been followed, with an error where that failed: the session must end then. */
  constructor(log: StatementLog, backlog: Backlog, onFollowed: (failure: unknown) => void) {
    this.#log = log
    this.#backlog = backlog
    this.#onFollowed = onFollowed
  }

  /** Bytes from the client, before they are forwarded. Throws PROTOCOL_VIOLATION. */
  fromClient(chunk: Buffer): void {
    if (this.#mayWait(chunk) && this.#log.atRequestBoundary && areWholeRequests(chunk)) {
      this.#backlog.add(this.#share, true, chunk)
    } else {
      const at = performance.now()
      this.upToDate().fromClient(chunk, 0, chunk.length, at)
    }
  }

  /** Bytes from the target. Throws PROTOCOL_VIOLATION. */
  fromTarget(chunk: Buffer): void {
    if (this.#mayWait(chunk) && this.#log.atBoundary && areWholeAnswers(chunk)) {
      this.#backlog.add(this.#share, false, chunk)
    } else {
      const at = performance.now()
      this.upToDate().fromTarget(chunk, 0, chunk.length, at)
    }
  }

  /** Where a small chunk can run a long statement again, what waits would become more than the recorder takes at once. */
  #mayWait(chunk: Buffer): boolean {
    return chunk.length <= Backlog.mostBytes && this.#log.longest <= Backlog.mostBytes
  }

  /** The log, with everything in it that has come so far. (Not when it is the log itself that ends the session.) */
  upToDate(): StatementLog {
    if (!this.#busy) this.#backlog.catchUp(this.#share)
    return this.#log
  }

  /** True where a message to the client may go in between. What waits are whole messages: it makes no difference. */
  get atBoundary(): boolean {
    return this.#log.atBoundary
  }

  /** True when so many requests wait for answers that no more should be read from the client. */
  get full(): boolean {
    return this.#log.full
  }

  follow(fromClient: boolean, bytes: Buffer, start: number, end: number, at: number): void {
    if (this.#failure !== undefined) return
    this.#busy = true
    try {
      if (fromClient) this.#log.fromClient(bytes, start, end, at)
      else this.#log.fromTarget(bytes, start, end, at)
    } catch (error) {
      this.#failure = error
    }
    this.#busy = false
  }

  followed(): void {
    this.#onFollowed(this.#failure)
  }
}
