/** Writes one recording while its session runs: collects events, cuts frames, and fails closed when the disk does. */

import type { KeyObject } from 'node:crypto'
import { type Clock, elapsed } from '../../shared/clock.ts'
import { GatewayError } from '../../shared/errors.ts'
import type { Promptness } from '../../shared/vocabulary.ts'
import { Batch, MAX_FACT_BYTES } from '../format/event-codec.ts'
import type { FactEvent, ProtectedPart, StreamEvent } from '../format/events.ts'
import type { Protector } from '../format/protected-part.ts'
import { encodeSeal, type SealSigner } from '../format/seal.ts'
import type { AppendableRecording } from './appendable-recording.ts'
import { type FrameSource, FrameWriter } from './frame-writer.ts'
import type { Pace } from './pace.ts'
import { PACE_MS } from './pace.ts'
import { BULK_NOTE_BYTES, type Recorder, type SealedRecording } from './recorder.ts'
import { Unwritten } from './unwritten.ts'
import { isEnded, nextWriterState, takesEvents, type WriterEvent, type WriterState } from './writer-state.ts'

/** A batch of so many bytes does not wait for more: half of the bound, so that the other half can come while it is written. */
const PROMPT_BYTES = 32 * 1024
/** The same for what stands for bulk: a frame as large as it can be costs least. */
const PROMPT_BULK_BYTES = 256 * 1024
/** A caller that goes on although nothing may pass must not grow the gateway without end: one chunk can hold thousands of statements. */
const HARD_BOUND_BYTES = 32 * 1024 * 1024
/** Of what was on its way already when it did: the session is ending. */
const LAST_BOUND_BYTES = 2 * HARD_BOUND_BYTES

export interface WriterParts {
  /** The header has been written. */
  readonly file: AppendableRecording
  /** Relative to the recordings folder. */
  readonly name: string
  readonly session: string
  readonly startedAt: number
  readonly key: KeyObject
  readonly protector: Protector
  /** The header's. */
  readonly link: Buffer
  readonly signer: SealSigner
  readonly clock: Clock
  readonly promptness: Promptness
  readonly pace: Pace
  /** Told when bytes begin to wait for the disk (positive) and when they are there (negative). */
  lag(bytes: number): void
  /** Called once, when the file is closed: sealed, or failed. */
  closed(): void
}

export class RecordingWriter implements Recorder, FrameSource {
  readonly #parts: WriterParts
  readonly #batch = new Batch()
  readonly #full: Buffer[] = []
  readonly #unwritten = new Unwritten()
  readonly #failure = new AbortController()
  /** Bytes of batches that were cut and are not in the file yet. */
  #cutBytes = 0
  #lastAt = 0
  /** The session's start, by what nobody can set. */
  readonly #begin: number
  #state: WriterState = 'open'
  readonly #frames: FrameWriter
  /** The present batch is not to wait for more. */
  #due = false
  /** The pace, and this turn's end, will ask about the present batch. */
  #paced = false
  #flushing = false
  #progress: PromiseWithResolvers<void> | undefined
  #sealed: Promise<SealedRecording> | undefined

  constructor(parts: WriterParts) {
    this.#parts = parts
    const { clock, startedAt } = parts
    this.#begin = elapsed(clock) - (clock.now() - startedAt)
    this.#frames = new FrameWriter(parts, this)
  }

  get failure(): AbortSignal {
    return this.#failure.signal
  }

  get promptness(): Promptness {
    return this.#parts.promptness
  }

  get position(): number {
    return this.#unwritten.given
  }

  mayPass(position: number, unrecorded = 0): boolean {
    if (this.failure.aborted) return false
    if (this.#parts.promptness === 'within-bound') return this.#unwritten.withinBounds(unrecorded)
    return unrecorded === 0 && this.#unwritten.isWritten(position)
  }

  /** Bytes of events that are not in the file yet. */
  get waiting(): number {
    return this.#cutBytes + this.#batch.length
  }

  /** How long the file is: whole frames only. */
  get written(): number {
    return this.#parts.file.length
  }

  /** True when nothing more will be written: sealed, or failed. */
  get ended(): boolean {
    return isEnded(this.#state)
  }

  progress(): Promise<void> {
    if (this.failure.aborted) return Promise.resolve()
    this.#progress ??= Promise.withResolvers<void>()
    return this.#progress.promise
  }

  stream(type: StreamEvent['type'], channel: number, bytes: Buffer, bulk = false): void {
    if (this.#closed()) return
    const at = this.#at()
    for (let rest = bytes; rest.length > 0; ) {
      const taken = this.#batch.addStream(at, type, channel, rest)
      if (taken === 0) this.#cut()
      else if (bulk) this.#unwritten.add(0, taken, 0)
      else this.#unwritten.add(taken, 0, 0)
      rest = rest.subarray(taken)
    }
    this.#added()
  }

  fact(event: FactEvent, ago = 0, counted = 0, whole?: ProtectedPart): void {
    if (this.#closed()) return
    if (whole === undefined) {
      this.#fact(JSON.stringify(event), ago, counted)
      return
    }
    const sealed = this.#protector(ago).protect(whole)
    this.#fact(JSON.stringify({ ...event, protected: sealed }), ago, counted)
  }

  hiddenInput(channel: number, bytes: Buffer): void {
    if (this.#closed()) return
    const sealed = this.#protector(0).protectBytes(bytes)
    const event: FactEvent = { type: 'hidden-input', channel, bytes: bytes.length, protected: sealed }
    this.#fact(JSON.stringify(event), 0, 0, true)
  }

  /** Its key stands before the first of what it protects. */
  #protector(ago: number): Protector {
    const { protector } = this.#parts
    const key = protector.begin()
    if (key !== undefined) this.#fact(JSON.stringify(key), ago, 0)
    return protector
  }

  #fact(json: string, ago: number, counted: number, bulk = false): void {
    const at = this.#at(ago)
    const add = (bytes: number) => this.#unwritten.add(bulk ? 0 : bytes, bulk ? bytes : 0, ago)
    if (!this.#batch.addFact(at, json)) {
      this.#cut()
      if (this.#batch.addFact(at, json)) add(json.length)
      else this.#addLongFact(at, Buffer.from(json, 'utf8'), add)
    } else add(json.length)
    this.#unwritten.told(counted)
    this.#added()
    if (ago >= PACE_MS / 2) this.#flushInThisTurn()
  }

  count(bytes: number): void {
    if (!this.#closed()) this.#unwritten.count(bytes)
  }

  get noteDue(): boolean {
    return this.#unwritten.counted >= (this.#parts.promptness === 'before-relay' ? 1 : BULK_NOTE_BYTES)
  }

  #addLongFact(at: number, json: Buffer, add: (bytes: number) => void): void {
    if (json.length > MAX_FACT_BYTES) this.failed(new Error(`a fact of ${json.length} bytes`))
    else
      for (let rest = json; rest.length > 0; ) {
        const taken = this.#batch.addPiece(at, rest)
        if (taken === 0) this.#cut()
        else add(taken)
        rest = rest.subarray(taken)
      }
  }

  #closed(): boolean {
    return !takesEvents(this.#state) || this.waiting > LAST_BOUND_BYTES
  }

  /** Milliseconds since the session began; never back, also when the clock is set back. */
  #at(ago = 0): number {
    this.#lastAt = Math.max(this.#lastAt, Math.trunc(elapsed(this.#parts.clock) - ago - this.#begin))
    return this.#lastAt
  }

  #added(): void {
    const { shown, bulk } = this.#unwritten.open
    if (this.waiting > HARD_BOUND_BYTES) this.#overrun()
    else if (this.#full.length > 0 || shown >= PROMPT_BYTES || bulk >= PROMPT_BULK_BYTES) this.flush()
    else if (!this.#paced) this.#waitForOthers()
  }

  #waitForOthers(): void {
    this.#paced = true
    this.#parts.pace.soon(() => {
      this.#paced = false
      if (this.#closed() || this.#batch.length === 0) return
      // It was cut in between, and this is young yet.
      if (performance.now() - this.#unwritten.open.since < PACE_MS / 3) this.#waitForOthers()
      else this.flush()
    })
  }

  /** An event has waited elsewhere already: what comes with it is written with it. */
  #flushInThisTurn(): void {
    if (this.#flushing) return
    this.#flushing = true
    setImmediate(() => {
      this.#flushing = false
      this.flush()
    })
  }

  flush(): void {
    if (this.#state === 'broken' || (this.#batch.length === 0 && this.#full.length === 0)) return
    this.#due = true
    this.#frames.start()
  }

  #cut(): void {
    if (this.#batch.length === 0) return
    this.#wait(this.#batch.length)
    this.#unwritten.cut()
    this.#full.push(this.#batch.take())
  }

  get hasBatch(): boolean {
    if (this.#state === 'broken') return false
    return this.#full.length > 0 || (this.#due && this.#batch.length > 0)
  }

  takeBatch(): Buffer | undefined {
    if (this.#state === 'broken') return undefined
    if (this.#full.length === 0 && this.#due) {
      this.#due = false
      this.#cut()
    }
    return this.#full.shift()
  }

  wrote(bytes: number): void {
    this.#wait(-bytes)
    this.#unwritten.wrote()
    this.#tellProgress()
  }

  #wait(bytes: number): void {
    this.#cutBytes += bytes
    this.#parts.lag(bytes)
  }

  #tellProgress(): void {
    this.#progress?.resolve()
    this.#progress = undefined
  }

  #go(event: WriterEvent): void {
    this.#state = nextWriterState(this.#state, event)
  }

  /** The session must end, but what has happened in it is still written. */
  #overrun(): void {
    this.#go('overran')
    this.#abort(new Error('the session went on while the recorder was behind'))
    this.flush()
  }

  #abort(cause: unknown): void {
    if (this.failure.aborted) return
    this.#failure.abort(new GatewayError('RECORDING_FAILED', 'The session can no longer be recorded.', { cause }))
    this.#tellProgress()
  }

  /** What waits cannot be saved. */
  failed(cause: unknown): void {
    if (isEnded(this.#state)) return
    this.#go('failed')
    this.#frames.stop()
    this.#abort(cause)
    this.#batch.take()
    this.#full.length = 0
    this.#wait(-this.#cutBytes)
    this.#parts.file.wake()
  }

  /** Both are called every few seconds for each open recording: first `touch` for all, as it is quick. */
  touch(): Promise<void> {
    return this.#keep(file => file.touch())
  }

  sync(): Promise<void> {
    return this.#keep(file => file.sync())
  }

  async #keep(act: (file: AppendableRecording) => Promise<void>): Promise<void> {
    if (this.#closed()) return
    try {
      await act(this.#parts.file)
    } catch (error) {
      if (!this.#closed()) this.failed(error)
    }
  }

  /** Calls `listener` after each frame, after the seal and at a failure, until the returned function is called. */
  watch(listener: () => void): () => void {
    return this.#parts.file.watch(listener)
  }

  seal(reason: string): Promise<SealedRecording> {
    this.#sealed ??= this.#seal(reason)
    return this.#sealed
  }

  async #seal(reason: string): Promise<SealedRecording> {
    this.#go('seal')
    this.flush()
    await this.#frames.idle()
    const { file, name, session, signer, clock, closed } = this.#parts
    try {
      this.failure.throwIfAborted()
      const facts = { session, frames: this.#frames.frames, bytes: file.length, endedAt: clock.now(), reason }
      await file.append(await encodeSeal(facts, this.#frames.link, signer), true)
      await file.sync()
      this.#go('sealed')
    } catch (error) {
      this.failed(error)
    }
    file.wake()
    await file.close().catch(() => undefined)
    closed()
    this.failure.throwIfAborted()
    return { file: name, bytes: file.length, hash: this.#frames.link.toString('hex') }
  }
}
