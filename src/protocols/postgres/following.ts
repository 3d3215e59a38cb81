/** Follows the statements of one session: everyday messages a little later, many at a time; everything else at once. */

import { Backlog, Follower } from './backlog.ts'
import type { StatementLog } from './statement-log.ts'
import { areWholeAnswers, areWholeRequests } from './wire/whole-messages.ts'

export interface FollowingEvents {
  /** So many bytes have passed in one direction. */
  passed(direction: 'in' | 'out', bytes: number): void
  /** What has passed was followed, with an error where that failed: the session must end then. */
  followed(failure?: unknown): void
}

/** What is asked for every chunk is at hand in here: 32 busy sessions find little else of theirs in the processor's cache. */
export class Following extends Follower {
  readonly #log: StatementLog
  readonly #backlog: Backlog
  readonly #events: FollowingEvents
  #busy = false
  #failure: unknown
  #requestsMayWait = true
  #answersMayWait = true

  constructor(log: StatementLog, backlog: Backlog, events: FollowingEvents) {
    super()
    this.#log = log
    this.#backlog = backlog
    this.#events = events
  }

  /** Bytes from the client, before they are forwarded. Throws PROTOCOL_VIOLATION. */
  fromClient(chunk: Buffer): void {
    const mayWait = this.#requestsMayWait && chunk.length <= Backlog.mostBytes && areWholeRequests(chunk)
    if (mayWait) this.#backlog.add(this, true, chunk)
    else this.#followAtOnce(true, chunk)
  }

  /** Bytes from the target. Throws PROTOCOL_VIOLATION. */
  fromTarget(chunk: Buffer): void {
    const mayWait = this.#answersMayWait && chunk.length <= Backlog.mostBytes && areWholeAnswers(chunk)
    if (mayWait) this.#backlog.add(this, false, chunk)
    else this.#followAtOnce(false, chunk)
  }

  /** The log, with everything in it that has come so far. (Not when it is the log itself that ends the session.) */
  upToDate(): StatementLog {
    if (!this.#busy) this.#backlog.catchUp(this)
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
    this.#events.passed(fromClient ? 'in' : 'out', end - start)
    if (this.#failure !== undefined) return
    this.#busy = true
    try {
      this.#read(fromClient, bytes, start, end, at)
    } catch (error) {
      this.#failure = error
    }
    this.#busy = false
  }

  followed(): void {
    this.#requestsMayWait = this.#log.atRequestBoundary
    this.#answersMayWait = this.#log.atBoundary
    this.#events.followed(this.#failure)
  }

  #followAtOnce(fromClient: boolean, chunk: Buffer): void {
    const at = performance.now()
    this.#events.passed(fromClient ? 'in' : 'out', chunk.length)
    this.upToDate()
    this.#read(fromClient, chunk, 0, chunk.length, at)
    this.followed()
  }

  #read(fromClient: boolean, bytes: Buffer, start: number, end: number, at: number): void {
    if (fromClient) this.#log.fromClient(bytes, start, end, at)
    else this.#log.fromTarget(bytes, start, end, at)
  }
}
