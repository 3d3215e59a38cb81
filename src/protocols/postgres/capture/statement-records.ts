/** Writes statements into the recording: as asked, as answered, and as what was never answered. */

import type { ProtectedPart } from '../../../recording/format/events.ts'
import type { Recorder } from '../../../recording/writing/recorder.ts'
import { BIND, FUNCTION_CALL, PARSE, QUERY } from '../wire/message-types.ts'
import type { ServerError } from '../wire/server-answers.ts'
import type { Asked } from './asked-names.ts'
import type { KnownStatements } from './known-statements.ts'
import type { Pending } from './pending-queue.ts'
import type { Portal } from './portal.ts'
import type { ReportedSettings } from './reported-settings.ts'
import { HIDDEN } from './sql/hide-literals.ts'
import type { Outcome } from './sql/outcome.ts'
import { holdsSecret } from './sql/secret-words.ts'
import { mayShowError, type StatementFact } from './statement-error.ts'

/** A fact, and what of it is hidden. */
interface Written {
  readonly event: StatementFact
  readonly whole: ProtectedPart | undefined
}

export class StatementRecords {
  readonly #recorder: Recorder
  readonly #known: KnownStatements
  readonly #settings: ReportedSettings
  /** performance.now() when what is parsed at present has passed. */
  now = 0
  #count = 0
  /** Of what was recorded as asked: the last number given, the last one that has its answer, and the last of which that is recorded. */
  #asked = 0
  #answeredUpTo = 0
  #answersRecorded = 0

  constructor(recorder: Recorder, known: KnownStatements, settings: ReportedSettings) {
    this.#recorder = recorder
    this.#known = known
    this.#settings = settings
  }

  /** How many statements it has recorded. */
  get count(): number {
    return this.#count
  }

  /** Records a request that has no answer yet. */
  recordAsked(pending: Pending, { portal, doubtful }: Asked): void {
    pending.asked = ++this.#asked
    const { event: of, whole } = this.#describe(portal, protocolOf(pending), 0, 'asked')
    if (doubtful) of.identity ??= 'doubtful'
    if (pending.kind === PARSE) of.tag = '(prepared)'
    if (pending.kind === BIND) of.tag = '(bound)'
    this.#recorder.fact({ type: 'asked', number: pending.asked, of }, performance.now() - pending.at, 0, whole)
  }

  /** The request has its answer: what is recorded next says so of what was recorded as asked. */
  answered({ asked, portal }: Pending): void {
    if (asked === 0) return
    if (asked > this.#answeredUpTo) this.#answeredUpTo = asked
    portal?.settleAsked()
  }

  record(pending: Pending, error: ServerError | undefined): void {
    pending.recorded = true
    this.answered(pending)
    const durationUs = Math.round((this.now - pending.at) * 1000)
    const portal = this.#known.portalOfRequest(pending)
    const { event, whole } = this.#describe(portal, protocolOf(pending), durationUs, outcomeOf(error))
    if (pending.tagCount > 0 || pending.tag !== '') event.tag = pending.tag
    const rows = pending.tagRows ?? (pending.rows > 0 ? pending.rows : undefined)
    if (rows !== undefined) event.rows = rows
    if (error === undefined) {
      this.#write(event, whole)
      return
    }
    const shown = mayShowError(event, error)
    event.error = { sqlstate: error.sqlstate, message: shown ? error.message : HIDDEN }
    this.#write(event, shown ? whole : { ...whole, message: error.message })
  }

  /** `tag`: what the gateway knows of it. Whether the server has understood a statement that it did not prepare is not known. */
  recordUnanswered(portal: Portal, tag?: string): void {
    const isPrepared = tag === '(prepared)' || tag === '(bound)'
    const { event, whole } = this.#describe(portal, 'extended', 0, isPrepared ? 'accepted' : 'refused')
    if (tag !== undefined) event.tag = tag
    this.#write(event, whole)
  }

  copied(direction: 'in' | 'out', bytes: number): void {
    this.#recorder.fact({ type: 'copy', direction, bytes })
  }

  /** ParameterStatus. */
  parameter(name: string, value: string): void {
    // A statement may have set it to a secret.
    if (holdsSecret(value)) this.#recorder.fact({ type: 'parameter', name, value: HIDDEN }, 0, 0, { value })
    else this.#recorder.fact({ type: 'parameter', name, value })
  }

  #write(event: StatementFact, whole: ProtectedPart | undefined): void {
    this.#count++
    if (this.#answeredUpTo > this.#answersRecorded) event.asked = this.#answersRecorded = this.#answeredUpTo
    this.#recorder.fact(event, performance.now() - this.now, 0, whole)
  }

  #describe(portal: Portal, protocol: StatementFact['protocol'], durationUs: number, outcome: Outcome): Written {
    const { statement, identity } = portal
    const { text, cut, how, whole } = statement.textToRecord(outcome)
    const event: StatementFact = { type: 'statement', protocol, text, durationUs }
    if (cut !== undefined) event.cut = cut
    if (statement.undecoded !== undefined) event.undecoded = statement.undecoded
    if (identity !== undefined) event.identity = identity
    const parameters = portal.valuesToRecord(this.#settings.encoding, how, outcome === 'asked')
    if (typeof parameters.shown === 'number') event.parametersBefore = parameters.shown
    else if (parameters.shown.length > 0) event.parameters = parameters.shown
    if (how === 'redacted') event.redacted = true
    if (how === 'hidden' && identity !== 'unknown') event.hidden = true
    if (whole === undefined && parameters.whole === undefined) return { event, whole: undefined }
    const { whole: values } = parameters
    return { event, whole: { ...whole, ...(values === undefined ? {} : { parameters: values }) } }
  }
}

function protocolOf({ kind }: Pending): StatementFact['protocol'] {
  return kind === QUERY || kind === FUNCTION_CALL ? 'simple' : 'extended'
}

/** Error codes of what could not be read as SQL: a syntax error, bytes that are no characters, escapes that are none or not allowed. */
const MISREAD = new Set(['42601', '22021', '22P05', '22025', '22P06', '0A000'])

function outcomeOf(error: ServerError | undefined): Outcome {
  if (error === undefined) return 'accepted'
  return MISREAD.has(error.sqlstate) ? 'misread' : 'refused'
}
