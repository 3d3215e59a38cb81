/** Parses the statements of one session: everyday messages a little later, many at a time; long answers in turns; the rest at once. */

import { SHOWN_BOUND_MS } from '../../../recording/writing/recorder.ts'
import { Backlog, BacklogReader } from '../../relaying/backlog.ts'
import type { StatementLog } from '../capture/statement-log.ts'
import { areWholeAnswers, areWholeRequests } from '../wire/whole-messages.ts'

/** In 64 KiB there can be the ends of 13 000 statements: after so many, others get their turn. */
const STATEMENTS_A_TURN = 512
const SLICE_BYTES = 4 * 1024
/** A request that is so old without an answer is recorded as asked: when the backlog looks the next time, it could be too old. */
const ASKED_MS = 15

export interface DeferredParserEvents {
  /** So many bytes have passed in one direction. */
  passed(direction: 'in' | 'out', bytes: number): void
  /** What has passed was parsed, with an error where that failed: the session must end then. */
  parsed(failure?: unknown): void
}

/** What is asked for every chunk is at hand in here: 32 busy sessions find little else of theirs in the processor's cache. */
export class DeferredParser extends BacklogReader {
  readonly #log: StatementLog
  readonly #backlog: Backlog
  readonly #events: DeferredParserEvents
  #busy = false
  #failure: unknown
  /** What is still to be parsed of a long chunk from the target, and when that came. */
  #rest: Buffer | undefined
  #restCame = 0
  #reminding = false
  #requestsMayWait = true
  #answersMayWait = true

  constructor(log: StatementLog, backlog: Backlog, events: DeferredParserEvents) {
    super()
    this.#log = log
    this.#backlog = backlog
    this.#events = events
  }

  /** Bytes from the client, before they are forwarded. Throws PROTOCOL_VIOLATION. */
  fromClient(chunk: Buffer): void {
    const mayWait = this.#requestsMayWait && chunk.length <= Backlog.mostBytes && areWholeRequests(chunk)
    if (mayWait) this.#backlog.add(this, true, chunk)
    else this.#parseAtOnce(true, chunk)
  }

  /**
   * Bytes from the target. Throws PROTOCOL_VIOLATION; what is found later is given to `parsed`. Where it is `behind` after that, no
   * more should come for now.
   */
  fromTarget(chunk: Buffer): void {
    const mayWait = this.#answersMayWait && chunk.length <= Backlog.mostBytes && areWholeAnswers(chunk)
    if (mayWait) this.#backlog.add(this, false, chunk)
    else if (chunk.length <= SLICE_BYTES) this.#parseAtOnce(false, chunk)
    else this.#parseInTurns(chunk)
  }

  /** True while a long chunk from the target is being parsed: `parsed` is called when it ends. */
  get behind(): boolean {
    return this.#rest !== undefined
  }

  /** The log, with everything in it that has come so far. (Not when it is the log itself that ends the session.) */
  upToDate(): StatementLog {
    if (this.#busy) return this.#log
    if (this.#rest !== undefined) this.#parseRest(Number.POSITIVE_INFINITY)
    else this.#backlog.catchUp(this)
    return this.#log
  }

  /** Bytes that were relayed, or are about to be, which are not recorded yet; Infinity where one has waited too long. */
  get unrecorded(): number {
    const bytes = this.bytes + (this.#rest?.length ?? 0) + this.#log.unrecordedBytes
    if (bytes === 0) return 0
    const since = Math.min(this.#backlog.since(this), this.#log.unrecordedSince)
    return performance.now() - since > SHOWN_BOUND_MS ? Number.POSITIVE_INFINITY : bytes
  }

  /** Records everything that has come, whether it has been answered or not. */
  record(): void {
    this.upToDate().recordAsked()
  }

  /** The session is over: records what was asked and never answered. */
  end(): void {
    this.upToDate().flush()
  }

  /** True when so many requests wait for answers that no more should be read from the client. */
  get full(): boolean {
    return this.#log.full
  }

  parse(fromClient: boolean, bytes: Buffer, start: number, end: number, at: number): void {
    this.#events.passed(fromClient ? 'in' : 'out', end - start)
    // What was asked meanwhile is on its way to the target, and so into the recording.
    if (this.#failure !== undefined && !fromClient) return
    try {
      this.#read(fromClient, bytes, start, end, at)
    } catch (error) {
      this.#failure ??= error
    }
  }

  parsed(): void {
    this.#requestsMayWait = this.#log.atRequestBoundary
    this.#answersMayWait = this.#log.atBoundary
    this.#events.parsed(this.#failure)
    this.#askToBeReminded()
  }

  /** A request that takes long must not be missing from the recording for as long. */
  remind(): void {
    this.#reminding = false
    if (performance.now() - this.#log.unrecordedSince >= ASKED_MS) this.#log.recordAsked()
    else this.#askToBeReminded()
  }

  #askToBeReminded(): void {
    if (this.#reminding || this.#log.unrecordedSince === Number.POSITIVE_INFINITY) return
    this.#reminding = true
    this.#backlog.remind(this)
  }

  #parseAtOnce(fromClient: boolean, chunk: Buffer): void {
    const at = performance.now()
    this.#events.passed(fromClient ? 'in' : 'out', chunk.length)
    this.#log.count(fromClient ? 'in' : 'out', chunk.length)
    this.upToDate()
    if (this.#failure !== undefined) return
    this.#read(fromClient, chunk, 0, chunk.length, at)
    this.parsed()
  }

  #parseInTurns(chunk: Buffer): void {
    const at = performance.now()
    this.#events.passed('out', chunk.length)
    this.#log.count('out', chunk.length)
    this.upToDate()
    if (this.#failure !== undefined) return
    this.#rest = chunk
    this.#restCame = at
    this.#requestsMayWait = false
    this.#answersMayWait = false
    this.#parseRest(STATEMENTS_A_TURN)
  }

  #parseRest(statements: number): void {
    const most = this.#log.recorded + statements
    while (this.#rest !== undefined) {
      if (this.#log.recorded > most) {
        setImmediate(() => {
          if (this.#rest !== undefined) this.#parseRest(STATEMENTS_A_TURN)
        })
        return
      }
      const slice = this.#rest.subarray(0, SLICE_BYTES)
      this.#rest = slice.length < this.#rest.length ? this.#rest.subarray(SLICE_BYTES) : undefined
      try {
        this.#read(false, slice, 0, slice.length, this.#restCame)
      } catch (error) {
        this.#rest = undefined
        this.#failure = error
      }
    }
    this.parsed()
  }

  #read(fromClient: boolean, bytes: Buffer, start: number, end: number, at: number): void {
    this.#busy = true
    try {
      if (fromClient) this.#log.fromClient(bytes, start, end, at)
      else this.#log.fromTarget(bytes, start, end, at)
    } finally {
      this.#busy = false
    }
  }
}
