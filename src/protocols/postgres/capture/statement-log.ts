/** Follows both directions of a session, pairs requests with answers in order, and records each statement once it has ended. */

import { isAscii } from 'node:buffer'
import type { FactEvent, ProtectedPart } from '../../../recording/format/events.ts'
import type { Recorder } from '../../../recording/writing/recorder.ts'
import {
  readArguments,
  readBindNames,
  readExecutePortal,
  readFunction,
  readNamed,
  readParse,
  readQuery,
  type Text,
} from '../wire/client-requests.ts'
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
import { readError, readParameterDescription, readParameterStatus, rowsOfTag } from '../wire/server-answers.ts'
import { violation } from '../wire/violation.ts'
import { type Asked, AskedNames } from './asked-names.ts'
import { KnownStatements } from './known-statements.ts'
import { LongText } from './long-text.ts'
import { type Pending, PendingQueue } from './pending-queue.ts'
import { Portal } from './portal.ts'
import { HIDDEN } from './sql/hide-literals.ts'
import type { Outcome } from './sql/outcome.ts'
import { holdsSecret, MAY_HOLD_SECRET, mentionsSecret } from './sql/secret-words.ts'
import { Statement } from './statement.ts'
import { type ClientEncoding, clientEncodingOf, showText, wholeCharacters } from './values/client-encoding.ts'

/** How much of one message is kept for the recording. What is relayed has no bound. */
const KEPT_BYTES = 1024 * 1024
const MOST_TAGS = 32
/** Requests that run something by themselves. */
const RUNS = new Set([QUERY, EXECUTE, FUNCTION_CALL])
/** Tags of what may drop names of statements, and give them anew. */
const DROPS_NAMES = /^(?:DEALLOCATE|DISCARD ALL$|DO$|CALL$)/
/** Tags of what begins a transaction of several statements, and of what ends portals, most of them with their transaction. */
const BEGINS = new Set(['BEGIN', 'START TRANSACTION'])
const ENDS_PORTALS = /^(?:COMMIT|ROLLBACK|PREPARE TRANSACTION|CLOSE CURSOR)/
const IMPLICIT_COMMIT = Statement.of('(the end of the implicit transaction, at Sync)')

type StatementEvent = Extract<FactEvent, { type: 'statement' }>
interface Telling {
  readonly event: StatementEvent
  whole: ProtectedPart | undefined
}

export class StatementLog {
  readonly #recorder: Recorder
  readonly #queue = new PendingQueue()
  readonly #known = new KnownStatements((portal, tag) => {
    this.#recordUnanswered(portal, this.#guessing ? undefined : tag)
  })
  readonly #client: FrameScanner
  readonly #target: FrameScanner
  readonly #longText = new LongText()
  #encoding: ClientEncoding
  #backslashQuotes: boolean
  /** Something runs, and may change how the server reads what comes behind it: it tells of that when all is answered. */
  #unsettled = false
  #now = 0
  /** After an error in the extended protocol the server skips everything until Sync. */
  #skipping = false
  /** The name of the statement whose Parse was that error. */
  #unparsed: string | undefined
  /** `in-sent`: the client has said that its data is complete. */
  #copying: 'in' | 'in-sent' | 'out' | undefined
  #copiedIn = 0
  #copiedOut = 0
  /** Syncs that the server ignores if it read them while it took COPY data. */
  #syncsInCopy = 0
  /** A COPY has failed in which there were such: each may be answered yet, if the server had not read it by then. */
  #readyInDoubt = 0
  /** Then, until the next Sync: whether the server skips what comes or runs it cannot be known. */
  #skippingInDoubt = false
  #terminated = false
  #fatal = false
  #recorded = 0
  /** Of what was recorded as asked: the last number given, the last one that has its answer, and the last of which that was told. */
  #asked = 0
  #answeredUpTo = 0
  #answersTold = 0
  readonly #relayed = { in: 0, out: 0, counted: 0 }
  /** The session is over, and what the target has done with its last requests is not known. */
  #guessing = false
  /** By the tags of its statements; after an error, or ROLLBACK to a savepoint, it is taken to be over too early. */
  #inTransaction = false

  /** `parameters` are what the target reported at login. */
  constructor(recorder: Recorder, parameters: ReadonlyMap<string, string>) {
    this.#recorder = recorder
    this.#encoding = clientEncodingOf(parameters.get('client_encoding'))
    this.#backslashQuotes = parameters.get('standard_conforming_strings') === 'off'
    const fromClient: FrameSink = {
      counted: (type, length) => this.#clientCounted(type, length),
      body: (type, bytes, start, end, length) => this.#clientBody(type, bytes, start, end, length),
      part: (type, bytes, start, end, first) => {
        if (type === QUERY || type === PARSE) this.#longText.add(bytes, start, end, first, type === PARSE ? 1 : 0)
      },
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
    this.#now = at
    this.#client.scan(chunk, start, end)
  }

  /** The same from the target. */
  fromTarget(chunk: Buffer, start = 0, end: number = chunk.length, at: number = performance.now()): void {
    this.#now = at
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
    return this.#recorded
  }

  /** The target has said FATAL: no last word of ours may follow. */
  get fatal(): boolean {
    return this.#fatal
  }

  /** Bytes of requests that the recording has not been told of yet, and when the first of them came (Infinity: none). */
  get untoldBytes(): number {
    return this.#queue.untoldBytes
  }

  get untoldSince(): number {
    return this.#queue.untoldSince
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

  /** Records what was asked and is not answered yet: it may take long, and run whatever becomes of this process. */
  tellAsked(): void {
    const { all, untold } = this.#queue.tellAll()
    if (untold === all.length) return
    const names = new AskedNames(this.#known)
    const parts: [Pending, Asked][] = []
    for (const [index, pending] of all.entries()) {
      const asked = names.next(pending, pending => this.#portalOf(pending))
      if (this.#syncsInDoubt) names.doubtEverything()
      if (index < untold || asked === undefined) continue
      if (RUNS.has(pending.kind)) this.#tellAsked(pending, asked)
      else parts.push([pending, asked])
    }
    // What is executed tells of its parts.
    for (const [pending, asked] of parts) if (!asked.portal.toldAsked) this.#tellAsked(pending, asked)
  }

  /** Whether the server has ignored a Sync of the client, or acted on it, is not known. */
  get #syncsInDoubt(): boolean {
    return this.#readyInDoubt > 0 || this.#syncsInCopy > 0
  }

  #tellAsked(pending: Pending, { portal, doubtful }: Asked): void {
    pending.asked = ++this.#asked
    const protocol = pending.kind === QUERY || pending.kind === FUNCTION_CALL ? 'simple' : 'extended'
    const { event: of, whole } = this.#tell(portal, protocol, 0, 'asked')
    if (doubtful) of.identity ??= 'doubtful'
    if (pending.kind === PARSE) of.tag = '(prepared)'
    if (pending.kind === BIND) of.tag = '(bound)'
    this.#recorder.fact({ type: 'asked', number: pending.asked, of }, performance.now() - pending.at, 0, whole)
  }

  /** Records what was asked and never answered: the session is over. */
  flush(): void {
    this.#now = performance.now()
    const syncsInDoubt = this.#syncsInDoubt
    this.#endCopy()
    const asked: Portal[] = []
    this.#guessing = true
    // As if each had been answered: the target may have run what was on its way.
    for (let pending = this.#queue.head; pending !== undefined; pending = this.#queue.head) {
      if (pending.kind === PARSE) {
        this.#known.parsed(pending)
        asked.push(this.#portalOf(pending))
      } else if (pending.kind === BIND) {
        this.#known.bound(pending)
        asked.push(this.#known.portal(pending.name))
      } else if (pending.kind === CLOSE) this.#known.closed(pending)
      else if (RUNS.has(pending.kind) && !pending.recorded) this.#record(pending, undefined)
      const mayRename = RUNS.has(pending.kind) && this.#portalOf(pending).mayRename
      this.#known.doubts.afterUnanswered(pending.kind, mayRename)
      if (syncsInDoubt) this.#known.doubts.doubtEverything()
      this.#queue.shift()
    }
    for (const portal of asked) if (!portal.told) this.#recordUnanswered(portal)
    this.#guessing = false
    this.#known.forget()
  }

  #clientCounted(type: number, length: number): void {
    switch (type) {
      case COPY_DATA:
        this.#copiedIn += length
        break
      case SYNC:
        // In copy-in mode the server ignores Sync (protocol-flow, COPY Operations).
        if (this.#copying === 'in') {
          this.#syncsInCopy++
          break
        }
        this.#skippingInDoubt = false
        this.#add(SYNC)
        if (this.#skipping) this.#skip()
        break
      case COPY_DONE:
      case COPY_FAIL:
        if (this.#copying === 'in') this.#copying = 'in-sent'
        else this.#add(COPY_DONE)
        break
      case TERMINATE:
        this.#terminated = true
        break
    }
  }

  #clientBody(type: number, bytes: Buffer, start: number, end: number, length: number): void {
    const inDoubt = this.#skippingInDoubt
    switch (type) {
      case QUERY: {
        const statement = this.#statementOf(readQuery(bytes, start, end, length), [])
        this.#add(QUERY, statement.size).statement = statement
        break
      }
      case PARSE: {
        const { name, text, types } = readParse(bytes, start, end, length)
        const statement = this.#statementOf(text, types)
        const pending = this.#add(PARSE, end - start)
        pending.name = name
        pending.statement = statement
        break
      }
      case BIND: {
        const { portal, statement } = readBindNames(bytes, start, end)
        const pending = this.#add(BIND, end - start)
        pending.name = portal
        pending.statementName = statement
        pending.body = Buffer.from(bytes.subarray(start, end))
        pending.bodyLength = length
        break
      }
      case FUNCTION_CALL: {
        const statement = Statement.of(`(a call of function ${readFunction(bytes, start, end)})`)
        const pending = this.#add(FUNCTION_CALL, end - start)
        pending.statement = statement
        pending.body = Buffer.from(bytes.subarray(start, end))
        pending.bodyLength = length
        break
      }
      case EXECUTE: {
        const portal = readExecutePortal(bytes, start, end)
        this.#add(EXECUTE, end - start).name = portal
        break
      }
      case DESCRIBE:
      case CLOSE: {
        const { kind, name } = readNamed(bytes, start, end)
        const pending = this.#add(type, end - start)
        if (kind === 'S') pending.statementName = name
        else pending.name = name
        pending.ofStatement = kind === 'S'
        break
      }
    }
    if (inDoubt) throw violation('a request after a failed COPY in which there was a Sync')
  }

  #add(kind: number, bytes = 0): Pending {
    if (RUNS.has(kind)) this.#unsettled = true
    return this.#queue.push(kind, this.#now, bytes)
  }

  #statementOf(text: Text, types: readonly number[]): Statement {
    const note = text.cut ? this.#longText.note() : undefined
    const bytes = text.cut ? wholeCharacters(text.bytes, this.#encoding) : text.bytes
    const { text: plain, exact } = this.#encoding.decode(bytes)
    if (this.#queue.head === undefined) this.#unsettled = false
    const mayDiffer = (this.#encoding.overlaps || this.#unsettled) && !isAscii(bytes)
    const certain = !(mayDiffer && mayBeOtherSql(bytes, plain))
    const statement = new Statement(
      plain,
      { backslashQuotes: this.#backslashQuotes, whole: !text.cut, certain },
      types,
      note,
    )
    if (!exact) statement.undecoded = this.#encoding.name
    return statement
  }

  #targetCounted(type: number, length: number): void {
    if (type === COPY_DATA) {
      this.#copiedOut += length
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
        if (head?.kind === FUNCTION_CALL) this.#record(head, undefined)
        break
      case COPY_IN: {
        const { syncs, ended } = this.#queue.dropSyncsUntilCopyEnd(SYNC, COPY_DONE)
        this.#copying = ended ? 'in-sent' : 'in'
        this.#syncsInCopy = syncs
        break
      }
      case COPY_OUT:
      case COPY_BOTH:
        this.#copying = 'out'
        break
    }
  }

  #targetBody(type: number, bytes: Buffer, start: number, end: number): void {
    if (type === COMMAND_COMPLETE) {
      const tag = bytes.toString('latin1', start, end - 1)
      this.#complete(this.#headPastCopyEnds(false), tag, rowsOfTag(tag))
    } else if (type === ERROR) this.#failed(bytes, start, end)
    else if (type === PARAMETER_STATUS) this.#parameter(bytes, start, end)
    else if (type === PARAMETER_DESCRIPTION) {
      const head = this.#headPastCopyEnds(false)
      if (head?.kind === DESCRIBE) this.#known.described(head, readParameterDescription(bytes, start, end))
    }
  }

  /** CopyDone and CopyFail have no answer of their own; a late one is ignored by the server, and here. */
  #headPastCopyEnds(keep: boolean): Pending | undefined {
    if (!keep) while (this.#queue.head?.kind === COPY_DONE) this.#queue.shift()
    return this.#queue.head
  }

  #complete(head: Pending | undefined, tag: string, rows: number | undefined): void {
    this.#endCopy()
    if (head === undefined || (head.kind !== QUERY && head.kind !== EXECUTE)) throw unexpected()
    if (head.kind === QUERY) {
      if (head.tagCount++ < MOST_TAGS) head.tag = head.tagCount === 1 ? tag : `${head.tag}; ${tag}`
      if (rows !== undefined) head.tagRows = (head.tagRows ?? 0) + rows
    } else {
      head.tag = tag
      head.tagRows = rows
      this.#record(head, undefined)
      this.#queue.shift()
    }
    if (tag === 'PREPARE') this.#known.prepared(this.#portalOf(head).statement)
    else if (tag === 'DECLARE CURSOR') this.#known.declared(this.#portalOf(head).statement)
    else if (DROPS_NAMES.test(tag)) this.#known.doubts.doubtNames()
    else if (BEGINS.has(tag)) this.#inTransaction = true
    else if (ENDS_PORTALS.test(tag)) {
      this.#known.doubts.doubtPortals()
      if (!tag.startsWith('CLOSE')) this.#inTransaction = false
    }
  }

  #ready(head: Pending | undefined): void {
    this.#endCopy()
    if (!this.#inTransaction) this.#known.doubts.doubtPortals()
    if (this.#readyInDoubt > 0 && !isAnswered(head)) {
      this.#readyInDoubt--
      // There was no other Sync: so it was read after the COPY failed, and has ended the skipping.
      if (this.#skippingInDoubt) this.#skipping = this.#skippingInDoubt = false
      return
    }
    // A timeout that strikes between two requests is told with one of its own.
    if (head === undefined) return
    if (!isAnswered(head)) throw unexpected()
    if (head.kind === QUERY && !head.recorded) this.#record(head, undefined)
    this.#queue.shift()
  }

  /** The request that this answers, taken from the queue. Answers that fit none would be followed to wrong conclusions. */
  #answered(head: Pending | undefined, kind: number): Pending {
    if (head?.kind !== kind) throw unexpected()
    this.#answeredUpTo = Math.max(this.#answeredUpTo, head.asked)
    this.#queue.shift()
    return head
  }

  #failed(bytes: Buffer, start: number, end: number): void {
    const error = readError(bytes, start, end, text => showText(text, this.#encoding))
    if (error.severity === 'FATAL' || error.severity === 'PANIC') this.#fatal = true
    this.#inTransaction = false
    const head = this.#headPastCopyEnds(false)
    const syncsInDoubt = this.#syncsInCopy
    this.#endCopy()
    // The server ends an idle session by itself: no statement is to blame.
    if (head === undefined) return
    this.#record(head, error)
    // What it did to names before it failed is not undone.
    if (RUNS.has(head.kind) && this.#portalOf(head).mayRenameUnseen) this.#known.doubts.doubtNames()
    if (syncsInDoubt > 0 && !this.#fatal) this.#doubt(head, syncsInDoubt)
    if (head.kind === QUERY || head.kind === FUNCTION_CALL || head.kind === SYNC) return
    this.#queue.shift()
    this.#unparsed = head.kind === PARSE ? head.name : undefined
    this.#skip()
  }

  /** Up to the next Sync the server runs nothing (postgres.c, ignore_till_sync); what it should be is recorded all the same. */
  #skip(): void {
    const byName = new Map<string, Statement | undefined>()
    // It stands in the recording with its error.
    if (this.#unparsed !== undefined) byName.set(this.#unparsed, undefined)
    const parsed: Statement[] = []
    const skipped: Portal[] = []
    this.#skipping = !this.#queue.dropUntil(SYNC, pending => {
      const { kind, name, statementName } = pending
      let { statement } = pending
      this.#answeredUpTo = Math.max(this.#answeredUpTo, pending.asked)
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
    for (const portal of skipped) this.#recordUnanswered(portal, '(skipped)')
    for (const statement of parsed) {
      if (!statement.told) this.#recordUnanswered(this.#known.withoutValues(statement), '(skipped)')
    }
  }

  /**
   * Whether the server read those Syncs while it copied or after it failed cannot be known: after it failed, they end its skipping.
   * That makes no difference as long as only the rest of the COPY comes before the next Sync.
   */
  #doubt(head: Pending, syncs: number): void {
    this.#readyInDoubt += syncs
    // Which requests an error behind it skips, and up to where, hangs on that Sync; no client has a use for it there.
    if (head.kind !== EXECUTE) throw violation('a Sync inside of a COPY that failed, begun by a simple query')
    const next = this.#queue.nextBut(COPY_DONE)
    if (next === undefined) this.#skippingInDoubt = true
    else if (next.kind !== SYNC) throw violation('a request behind a COPY that failed, in which there was a Sync')
  }

  #endCopy(): void {
    if (this.#copying === undefined) return
    const out = this.#copying === 'out'
    this.#recorder.fact({ type: 'copy', direction: out ? 'out' : 'in', bytes: out ? this.#copiedOut : this.#copiedIn })
    this.#copying = undefined
    this.#syncsInCopy = 0
    this.#copiedIn = 0
    this.#copiedOut = 0
  }

  #parameter(bytes: Buffer, start: number, end: number): void {
    const { name, value } = readParameterStatus(bytes, start, end)
    if (name === 'client_encoding') this.#encoding = clientEncodingOf(value)
    if (name === 'standard_conforming_strings') this.#backslashQuotes = value === 'off'
    // A statement may have set it to a secret.
    if (holdsSecret(value)) this.#recorder.fact({ type: 'parameter', name, value: HIDDEN }, 0, 0, { value })
    else this.#recorder.fact({ type: 'parameter', name, value })
  }

  #record(pending: Pending, error: { sqlstate: string; message: string } | undefined): void {
    pending.recorded = true
    this.#answeredUpTo = Math.max(this.#answeredUpTo, pending.asked)
    const portal = this.#portalOf(pending)
    const protocol = pending.kind === QUERY || pending.kind === FUNCTION_CALL ? 'simple' : 'extended'
    const event = this.#tell(portal, protocol, Math.round((this.#now - pending.at) * 1000), outcomeOf(error))
    if (pending.tagCount > 0 || pending.tag !== '') event.event.tag = pending.tag
    const rows = pending.tagRows ?? (pending.rows > 0 ? pending.rows : undefined)
    if (rows !== undefined) event.event.rows = rows
    if (error !== undefined) tellError(event, error)
    this.#write(event)
  }

  #write({ event, whole }: Telling): void {
    this.#recorded++
    if (this.#answeredUpTo > this.#answersTold) event.asked = this.#answersTold = this.#answeredUpTo
    this.#recorder.fact(event, performance.now() - this.#now, 0, whole)
  }

  /** `tag`: what the gateway knows of it. Whether the server has understood a statement that it did not prepare is not known. */
  #recordUnanswered(portal: Portal, tag?: string): void {
    const isPrepared = tag === '(prepared)' || tag === '(bound)'
    const event = this.#tell(portal, 'extended', 0, isPrepared ? 'accepted' : 'refused')
    if (tag !== undefined) event.event.tag = tag
    this.#write(event)
  }

  #tell(portal: Portal, protocol: StatementEvent['protocol'], durationUs: number, outcome: Outcome): Telling {
    const { statement, identity } = portal
    const { text, cut, how, whole } = statement.tell(outcome)
    const event: StatementEvent = { type: 'statement', text, protocol, durationUs }
    if (cut !== undefined) event.cut = cut
    if (statement.undecoded !== undefined) event.undecoded = statement.undecoded
    if (identity !== undefined) event.identity = identity
    const parameters = portal.tellParameters(this.#encoding, how, outcome === 'asked')
    if (typeof parameters.shown === 'number') event.parametersBefore = parameters.shown
    else if (parameters.shown.length > 0) event.parameters = parameters.shown
    if (how === 'redacted') event.redacted = true
    if (how === 'hidden' && identity !== 'unknown') event.hidden = true
    if (whole === undefined && parameters.whole === undefined) return { event, whole: undefined }
    const { whole: values } = parameters
    return { event, whole: { ...whole, ...(values === undefined ? {} : { parameters: values }) } }
  }

  #portalOf(pending: Pending): Portal {
    switch (pending.kind) {
      case QUERY:
      case PARSE:
        return this.#known.withoutValues(pending.statement!)
      case BIND:
        return this.#known.portalOfBind(pending)
      case EXECUTE:
        return this.#known.portal(pending.name)
      case DESCRIBE:
      case CLOSE:
        return pending.ofStatement
          ? this.#known.withoutValues(this.#known.statement(pending.statementName))
          : this.#known.portal(pending.name)
      case FUNCTION_CALL:
        return new Portal(pending.statement!, pending.body, pending.bodyLength, readArguments)
      default:
        return this.#known.withoutValues(IMPLICIT_COMMIT)
    }
  }
}

/** Error codes of what could not be read as SQL: a syntax error, bytes that are no characters, escapes that are none or not allowed. */
const MISREAD = new Set(['42601', '22021', '22P05', '22025', '22P06', '0A000'])

function outcomeOf(error: { sqlstate: string } | undefined): Outcome {
  if (error === undefined) return 'accepted'
  return MISREAD.has(error.sqlstate) ? 'misread' : 'refused'
}

/** The server quotes the statement in its errors, and its values. */
function tellError(telling: Telling, { sqlstate, message }: { sqlstate: string; message: string }): void {
  const { event } = telling
  const isShown =
    event.redacted !== true &&
    !holdsSecret(message) &&
    !(sqlstate.startsWith('22') && quotesOther(event, message)) &&
    (event.hidden !== true || saysNoMore(event, message))
  event.error = { sqlstate, message: isShown ? message : HIDDEN }
  if (!isShown) telling.whole = { ...telling.whole, message }
}

/** Whether it quotes a value that is not in the statement: it is from a table, by a cursor, a view or a function, and may be any. */
function quotesOther({ text, parameters }: StatementEvent, message: string): boolean {
  // A quote in the value is not doubled: it goes on to the last one.
  const quoted = /"([\s\S]*)"/.exec(message)?.[1]
  return quoted !== undefined && !text.includes(quoted) && !(parameters ?? []).some(value => value?.includes(quoted))
}

/** Whether it quotes nothing that is hidden. */
function saysNoMore({ text }: StatementEvent, message: string): boolean {
  const near = /^[^"']{0,80} at or near "([^"']{1,80})"$/.exec(message)?.[1]
  return near !== undefined && text.includes(near) && !mentionsSecret(text)
}

/** Whether the server may find other SQL in the bytes than stands in `text`, where it reads them in another encoding. */
function mayBeOtherSql(bytes: Buffer, text: string): boolean {
  const raw = bytes.toString('latin1')
  // A backslash that is the second byte of a character, or is not; a word that is hidden by the byte before it.
  return /[\x80-\xff]\\/.test(raw) || (MAY_HOLD_SECRET.test(raw) && !MAY_HOLD_SECRET.test(text))
}

function unexpected(): Error {
  return violation('the target gave an answer that fits no request')
}

/** Whether a ReadyForQuery can be the answer to it: alone it answers Sync only. */
function isAnswered(head: Pending | undefined): boolean {
  return head !== undefined && (head.kind === SYNC || head.tagCount > 0 || head.recorded)
}
