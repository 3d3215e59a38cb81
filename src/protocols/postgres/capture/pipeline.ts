/** The requests that wait for their answers, and what the server does with them: runs them, copies, or skips them after an error. */

import { BIND, COPY_DONE, EXECUTE, FUNCTION_CALL, PARSE, QUERY, SYNC } from '../wire/message-types.ts'
import { isFatal, type ServerError } from '../wire/server-answers.ts'
import { violation } from '../wire/violation.ts'
import type { KnownStatements } from './known-statements.ts'
import type { Pending, PendingQueue } from './pending-queue.ts'
import type { Portal } from './portal.ts'
import {
  copyDirection,
  isSkipping,
  type ModeEvent,
  nextMode,
  RUNNING,
  type ServerMode,
  syncsInCopy,
} from './server-mode.ts'
import type { Statement } from './statement.ts'
import type { StatementRecords } from './statement-records.ts'

const SYNC_SENT: ModeEvent = { is: 'sync' }
const COPY_END_SENT: ModeEvent = { is: 'copy-end' }
const COPY_OUT_BEGAN: ModeEvent = { is: 'copy-out' }
const ANSWERED: ModeEvent = { is: 'answer' }
const READY_BY_DOUBTFUL_SYNC: ModeEvent = { is: 'ready-by-doubtful-sync' }

export class Pipeline {
  readonly #queue: PendingQueue
  readonly #known: KnownStatements
  readonly #records: StatementRecords
  #mode: ServerMode = RUNNING
  readonly #copied = { in: 0, out: 0 }
  /** Syncs in COPYs that failed: each is answered yet, if the server had not read it by then. */
  #doubtfulSyncs = 0
  /** The name of the statement whose Parse was the error that is skipped for. */
  #unparsed: string | undefined

  constructor(queue: PendingQueue, known: KnownStatements, records: StatementRecords) {
    this.#queue = queue
    this.#known = known
    this.#records = records
  }

  /** Whether it is not known which Syncs the server has heeded. */
  get syncsInDoubt(): boolean {
    return this.#doubtfulSyncs > 0 || syncsInCopy(this.#mode) > 0
  }

  /** Whether it is not known if the server runs or skips what comes next. */
  get inDoubt(): boolean {
    return this.#mode.is === 'skipping-or-running'
  }

  /** The client has sent Sync. */
  syncSent(): void {
    const before = this.#mode
    this.#go(SYNC_SENT)
    // In copy-in mode the server ignores it (protocol-flow, COPY Operations).
    if (before.is === 'copying-in') return
    this.#queue.push(SYNC, this.#records.now, 0)
    if (isSkipping(before)) this.#recordSkipped()
  }

  /** The client has sent CopyDone or CopyFail. */
  copyEndSent(): void {
    if (this.#mode.is === 'copying-in') this.#go(COPY_END_SENT)
    else this.#queue.push(COPY_DONE, this.#records.now, 0)
  }

  copyInBegan(): void {
    this.#go({ is: 'copy-in', ...this.#queue.dropSyncsUntilCopyEnd(SYNC, COPY_DONE) })
  }

  copyOutBegan(): void {
    this.#go(COPY_OUT_BEGAN)
  }

  copied(direction: 'in' | 'out', bytes: number): void {
    this.#copied[direction] += bytes
  }

  /** The answer to a command has come: if it was a COPY, that is recorded. */
  endCopy(): void {
    const direction = copyDirection(this.#mode)
    if (direction === undefined) return
    this.#records.copied(direction, this.#copied[direction])
    this.#copied.in = this.#copied.out = 0
    this.#go(ANSWERED)
  }

  /**
   * ErrorResponse to `head`; where nothing waits, the server has ended an idle session by itself.
   *
   * A simple query, a function call and the commit at a Sync fail alone: ReadyForQuery follows. Any other request stands in a pipeline:
   * the server skips what is behind it, up to the next Sync. What of that has been sent is recorded as skipped now, the rest when that
   * Sync is sent; what is behind it runs. Only where a COPY failed in which there were Syncs, it may have been one of those.
   */
  failed(head: Pending | undefined, error: ServerError): void {
    this.#known.failed()
    const syncs = isFatal(error) ? 0 : syncsInCopy(this.#mode)
    this.endCopy()
    if (head === undefined) return
    this.#records.record(head, error)
    // What it did to names before it failed is not undone.
    if (head.runs && this.#known.portalOfRequest(head).mayRenameUnseen) this.#known.doubts.doubtNames()
    if (syncs > 0) this.#doubtSyncs(head, syncs)
    if (head.kind === QUERY || head.kind === FUNCTION_CALL || head.kind === SYNC) return
    this.#queue.shift()
    const syncWasSent = this.#recordSkipped(head)
    if (!syncWasSent) this.#go({ is: 'skip', doubt: syncs > 0 })
  }

  /**
   * Whether the server read those Syncs while it copied or after it failed cannot be known: after it failed, they end its skipping.
   * That makes no difference as long as only the rest of the COPY comes before the next Sync.
   */
  #doubtSyncs(head: Pending, syncs: number): void {
    this.#doubtfulSyncs += syncs
    // Which requests an error behind it skips, and up to where, hangs on that Sync; no client has a use for it there.
    if (head.kind !== EXECUTE) throw violation('a Sync inside of a COPY that failed, begun by a simple query')
    const next = this.#queue.nextBut(COPY_DONE)
    if (next !== undefined && next.kind !== SYNC) {
      throw violation('a request behind a COPY that failed, in which there was a Sync')
    }
  }

  /** ReadyForQuery has come where nothing waits that it answers: true if a Sync in doubt explains it. */
  readyByDoubtfulSync(): boolean {
    if (this.#doubtfulSyncs === 0) return false
    this.#doubtfulSyncs--
    // There was no other Sync: so it was read after the COPY failed, and has ended the skipping.
    this.#go(READY_BY_DOUBTFUL_SYNC)
    return true
  }

  /**
   * Takes what stands before the next Sync from the queue: the server runs none of it, and what it should have been is recorded all the
   * same. `failed`: the request that has just failed. False when no such Sync has been sent yet.
   */
  #recordSkipped(failed?: Pending): boolean {
    if (failed !== undefined) this.#unparsed = failed.kind === PARSE ? failed.name : undefined
    const byName = new Map<string, Statement | undefined>()
    // It stands in the recording with its error.
    if (this.#unparsed !== undefined) byName.set(this.#unparsed, undefined)
    const parsed: Statement[] = []
    const skipped: Portal[] = []
    const syncWasSent = this.#queue.dropUntil(SYNC, pending => {
      const { kind, name, statementName } = pending
      let { statement } = pending
      this.#records.answered(pending)
      if (kind === PARSE) {
        parsed.push(statement!)
        byName.set(name, statement!)
        return
      }
      if (kind === BIND) {
        statement = byName.has(statementName) ? byName.get(statementName) : this.#known.statement(statementName)
      }
      if (statement !== undefined) skipped.push(this.#known.portalOf(statement, pending))
    })
    for (const portal of skipped) this.#records.recordUnanswered(portal, '(skipped)')
    for (const statement of parsed) {
      if (!statement.recorded) this.#records.recordUnanswered(this.#known.withoutValues(statement), '(skipped)')
    }
    return syncWasSent
  }

  #go(event: ModeEvent): void {
    this.#mode = nextMode(this.#mode, event, unexpectedAnswer)
  }
}

export function unexpectedAnswer(): Error {
  return violation('the target gave an answer that fits no request')
}
