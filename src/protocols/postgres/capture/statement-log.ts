/** Parses both directions of a session, pairs requests with answers in order, and records each statement once it has ended. */

import type { Recorder } from '../../../recording/writing/recorder.ts'
import { FrameScanner, type FrameSink } from '../wire/frame-scanner.ts'
import {
  BIND,
  BIND_COMPLETE,
  CLOSE,
  CLOSE_COMPLETE,
  COMMAND_COMPLETE,
  COPY_BOTH,
  COPY_DATA,
  COPY_DONE,
  COPY_FAIL,
  COPY_IN,
  COPY_OUT,
  DESCRIBE,
  EMPTY_QUERY,
  ERROR,
  EXECUTE,
  FUNCTION_CALL,
  FUNCTION_RESULT,
  NO_DATA,
  PARAMETER_DESCRIPTION,
  PARAMETER_STATUS,
  PARSE,
  PARSE_COMPLETE,
  PORTAL_SUSPENDED,
  QUERY,
  READY,
  ROW,
  ROW_DESCRIPTION,
  SYNC,
  TERMINATE,
} from '../wire/message-types.ts'
import { isFatal, readError, readParameterDescription, readParameterStatus, rowsOfTag } from '../wire/server-answers.ts'
import { violation } from '../wire/violation.ts'
import { KnownStatements } from './known-statements.ts'
import { type Pending, PendingQueue } from './pending-queue.ts'
import { Pipeline, unexpectedAnswer } from './pipeline.ts'
import { ReportedSettings } from './reported-settings.ts'
import { RequestReader } from './request-reader.ts'
import { StatementRecords } from './statement-records.ts'
import { recordNeverAnswered, recordWaiting } from './unanswered.ts'
import { showText } from './values/client-encoding.ts'

/** How much of one message is kept for the recording. What is relayed has no bound. */
const KEPT_BYTES = 1024 * 1024
const MOST_TAGS = 32

export class StatementLog {
  readonly #recorder: Recorder
  readonly #settings: ReportedSettings
  readonly #queue = new PendingQueue()
  readonly #known: KnownStatements
  readonly #records: StatementRecords
  readonly #requests: RequestReader
  readonly #pipeline: Pipeline
  readonly #client: FrameScanner
  readonly #target: FrameScanner
  readonly #relayed = { in: 0, out: 0, counted: 0 }
  #terminated = false
  #fatal = false
  /** The session is over, and what the target has done with its last requests is not known. */
  #over = false

  /** `parameters` are what the target reported at login. */
  constructor(recorder: Recorder, parameters: ReadonlyMap<string, string>) {
    this.#recorder = recorder
    this.#settings = new ReportedSettings(parameters)
    this.#known = new KnownStatements((portal, tag) =>
      this.#records.recordUnanswered(portal, this.#over ? undefined : tag),
    )
    this.#records = new StatementRecords(recorder, this.#known, this.#settings)
    this.#requests = new RequestReader(this.#queue, this.#settings)
    this.#pipeline = new Pipeline(this.#queue, this.#known, this.#records)
    const fromClient: FrameSink = {
      counted: (type, length) => this.#clientCounted(type, length),
      body: (type, bytes, start, end, length) => this.#clientBody(type, bytes, start, end, length),
      part: (type, bytes, start, end, first) => this.#requests.part(type, bytes, start, end, first),
    }
    const fromTarget: FrameSink = {
      counted: (type, length) => this.#targetCounted(type, length),
      body: (type, bytes, start, end) => this.#targetBody(type, bytes, start, end),
      part: () => undefined,
    }
    this.#client = new FrameScanner(fromClient, { counted: 'SdcfX', bodies: 'QPBDECF', keepBytes: KEPT_BYTES })
    this.#target = new FrameScanner(fromTarget, { counted: 'DZ123TnIsVGHWd', bodies: 'CESt', keepBytes: KEPT_BYTES })
  }

  /** Takes `chunk[start..end)`, which came from the client at `at` (performance.now()). Throws PROTOCOL_VIOLATION. */
  fromClient(chunk: Buffer, start = 0, end: number = chunk.length, at: number = performance.now()): void {
    this.#records.now = at
    this.#client.scan(chunk, start, end)
  }

  /** The same from the target. */
  fromTarget(chunk: Buffer, start = 0, end: number = chunk.length, at: number = performance.now()): void {
    this.#records.now = at
    this.#target.scan(chunk, start, end)
  }

  /** True when so many requests wait for answers that no more should be read from the client. */
  get full(): boolean {
    return this.#queue.full
  }

  /** True while the target works on something. */
  get unanswered(): boolean {
    return this.#queue.head !== undefined
  }

  /** True where a message to the client may go in between. */
  get atBoundary(): boolean {
    return this.#target.atBoundary
  }

  /** The same for the other direction. */
  get atRequestBoundary(): boolean {
    return this.#client.atBoundary
  }

  /** The client has said Terminate. */
  get terminated(): boolean {
    return this.#terminated
  }

  /** How many statements it has recorded. */
  get recorded(): number {
    return this.#records.count
  }

  /** The target has said FATAL: no final message of ours may follow. */
  get fatal(): boolean {
    return this.#fatal
  }

  /** Bytes of requests that are not recorded yet, and when the first of them came (Infinity: none). */
  get unrecordedBytes(): number {
    return this.#queue.unrecordedBytes
  }

  get unrecordedSince(): number {
    return this.#queue.unrecordedSince
  }

  /** So many bytes passed that are more than everyday messages: a crash must not leave nothing of them. */
  count(direction: 'in' | 'out', bytes: number): void {
    const relayed = this.#relayed
    relayed[direction] += bytes
    relayed.counted += bytes
    this.#recorder.count(bytes)
    if (!this.#recorder.noteDue) return
    const fact = { type: 'relayed', channel: 0, bytesIn: relayed.in, bytesOut: relayed.out } as const
    this.#recorder.fact(fact, 0, relayed.counted)
    relayed.counted = 0
  }

  /** Records what was asked and is not answered yet. */
  recordAsked(): void {
    recordWaiting(this.#queue, this.#known, this.#records, this.#pipeline.syncsInDoubt)
  }

  /** Records what was asked and never answered: the session is over. */
  flush(): void {
    this.#records.now = performance.now()
    const { syncsInDoubt } = this.#pipeline
    this.#pipeline.endCopy()
    this.#over = true
    recordNeverAnswered(this.#queue, this.#known, this.#records, syncsInDoubt)
    this.#over = false
    this.#known.forget()
  }

  #clientCounted(type: number, length: number): void {
    switch (type) {
      case COPY_DATA:
        this.#pipeline.copied('in', length)
        break
      case SYNC:
        this.#pipeline.syncSent()
        break
      case COPY_DONE:
      case COPY_FAIL:
        this.#pipeline.copyEndSent()
        break
      case TERMINATE:
        this.#terminated = true
        break
    }
  }

  #clientBody(type: number, bytes: Buffer, start: number, end: number, length: number): void {
    this.#requests.read(type, bytes, start, end, length, this.#records.now)
    if (this.#pipeline.inDoubt) throw violation('a request after a failed COPY in which there was a Sync')
  }

  #targetCounted(type: number, length: number): void {
    if (type === COPY_DATA) {
      this.#pipeline.copied('out', length)
      return
    }
    const head = this.#headPastCopyEnds(type === COPY_IN)
    switch (type) {
      case ROW:
        if (head !== undefined) head.rows++
        break
      case READY:
        this.#ready(head)
        break
      case PARSE_COMPLETE:
        this.#known.parsed(this.#answered(head, PARSE))
        break
      case BIND_COMPLETE:
        this.#known.bound(this.#answered(head, BIND))
        break
      case CLOSE_COMPLETE:
        this.#known.closed(this.#answered(head, CLOSE))
        break
      case ROW_DESCRIPTION:
      case NO_DATA:
        if (head?.kind === DESCRIBE) this.#queue.shift()
        break
      case EMPTY_QUERY:
        this.#complete(head, '', undefined)
        break
      case PORTAL_SUSPENDED:
        this.#complete(head, '(more rows to fetch)', head?.rows)
        break
      case FUNCTION_RESULT:
        if (head?.kind === FUNCTION_CALL) this.#records.record(head, undefined)
        break
      case COPY_IN:
        this.#pipeline.copyInBegan()
        break
      case COPY_OUT:
      case COPY_BOTH:
        this.#pipeline.copyOutBegan()
        break
    }
  }

  #targetBody(type: number, bytes: Buffer, start: number, end: number): void {
    switch (type) {
      case COMMAND_COMPLETE: {
        const tag = bytes.toString('latin1', start, end - 1)
        this.#complete(this.#headPastCopyEnds(false), tag, rowsOfTag(tag))
        break
      }
      case ERROR: {
        const error = readError(bytes, start, end, text => showText(text, this.#settings.encoding))
        if (isFatal(error)) this.#fatal = true
        this.#pipeline.failed(this.#headPastCopyEnds(false), error)
        break
      }
      case PARAMETER_STATUS: {
        const { name, value } = readParameterStatus(bytes, start, end)
        this.#settings.report(name, value)
        this.#records.parameter(name, value)
        break
      }
      case PARAMETER_DESCRIPTION: {
        const head = this.#headPastCopyEnds(false)
        if (head?.kind === DESCRIBE) this.#known.described(head, readParameterDescription(bytes, start, end))
        break
      }
    }
  }

  /** CopyDone and CopyFail have no answer of their own; a late one is ignored by the server, and here. */
  #headPastCopyEnds(keep: boolean): Pending | undefined {
    if (!keep) while (this.#queue.head?.kind === COPY_DONE) this.#queue.shift()
    return this.#queue.head
  }

  #complete(head: Pending | undefined, tag: string, rows: number | undefined): void {
    this.#pipeline.endCopy()
    if (head === undefined || (head.kind !== QUERY && head.kind !== EXECUTE)) throw unexpectedAnswer()
    if (head.kind === QUERY) {
      if (head.tagCount++ < MOST_TAGS) head.tag = head.tagCount === 1 ? tag : `${head.tag}; ${tag}`
      if (rows !== undefined) head.tagRows = (head.tagRows ?? 0) + rows
    } else {
      head.tag = tag
      head.tagRows = rows
      this.#records.record(head, undefined)
      this.#queue.shift()
    }
    this.#known.completed(head, tag)
  }

  #ready(head: Pending | undefined): void {
    this.#pipeline.endCopy()
    this.#known.ready()
    const isAnswer = head !== undefined && isAnsweredByReady(head)
    if (!isAnswer && this.#pipeline.readyByDoubtfulSync()) return
    // A timeout that strikes between two requests is recorded as a statement of its own.
    if (head === undefined) return
    if (!isAnswer) throw unexpectedAnswer()
    if (head.kind === QUERY && !head.recorded) this.#records.record(head, undefined)
    this.#queue.shift()
  }

  /** The request that this answers, taken from the queue. Answers that fit none would lead to wrong conclusions. */
  #answered(head: Pending | undefined, kind: number): Pending {
    if (head?.kind !== kind) throw unexpectedAnswer()
    this.#records.answered(head)
    this.#queue.shift()
    return head
  }
}

/** Whether a ReadyForQuery can be the answer to it: alone it answers Sync only. */
function isAnsweredByReady({ kind, tagCount, recorded }: Pending): boolean {
  return kind === SYNC || tagCount > 0 || recorded
}
