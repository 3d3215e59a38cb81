/** Writes one recording while its session runs: collects events, cuts frames, and fails closed when the disk does. */

import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import type { AppendFile } from './append-file.ts'
import { encodeFrame, FRAME_STORED, FRAME_ZSTD } from './container.ts'
import { Batch, MAX_FACT_BYTES, recycle } from './event-codec.ts'
import type { FactEvent, StreamEvent } from './events.ts'
import { compress } from './pack.ts'
import { RECORDER_BOUND_BYTES, type Recorder, type SealedRecording } from './recorder.ts'
import { encodeSeal } from './seal.ts'
import type { Signer } from './signer.ts'

/**
 * A frame is cut when nothing has come during one such time, or when its first event has waited four of them: a session that is
 * busy all the time has one frame a second, not four. While someone follows, each frame is cut after the shorter time.
 */
const FLUSH_MS = 250
const MOST_ROUNDS = 4
const FOLLOWED_FLUSH_MS = 50
/** A caller that goes on in spite of `behind` must not grow the gateway without end. */
const HARD_BOUND_BYTES = 16 * RECORDER_BOUND_BYTES
/** Of what was on its way already when it did: the session is ending. */
const LAST_BOUND_BYTES = 2 * HARD_BOUND_BYTES

export interface WriterParts {
  /** The header has been written. */
  readonly file: AppendFile
  /** Relative to the recordings folder. */
  readonly name: string
  readonly session: string
  readonly startedAt: number
  readonly key: Buffer
  /** The header's. */
  readonly link: Buffer
  readonly signer: Signer
  readonly clock: Clock
  /** Told when bytes begin to wait for the disk (positive) and when they are there (negative). */
  lag(bytes: number): void
  /** Called once, when the file is closed: sealed, or failed. */
  closed(): void
}

export class RecordingWriter implements Recorder {
  readonly #parts: WriterParts
  readonly #batch = new Batch()
  readonly #full: Buffer[] = []
  readonly #failure = new AbortController()
  /** Bytes of batches that were cut and are not in the file yet. */
  #cutBytes = 0
  #lastAt = 0
  #timer: NodeJS.Timeout | undefined
  #armed = false
  /** How often the timer has been set again for the present batch, and how long that was then. */
  #rounds = 0
  #lengthBefore = 0
  #due = false
  #pump: Promise<void> | undefined
  #drained: PromiseWithResolvers<void> | undefined
  #link: Buffer
  #frames = 0
  #sealed: Promise<SealedRecording> | undefined
  #ended = false
  /** The file takes no more: what waits cannot be saved. */
  #broken = false

  constructor(parts: WriterParts) {
    this.#parts = parts
    this.#link = parts.link
  }

  get failure(): AbortSignal {
    return this.#failure.signal
  }

  get behind(): boolean {
    return this.waiting > RECORDER_BOUND_BYTES && !this.failure.aborted
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
    return this.#ended
  }

  drained(): Promise<void> {
    if (!this.behind) return Promise.resolve()
    this.#drained ??= Promise.withResolvers<void>()
    return this.#drained.promise
  }

  stream(type: StreamEvent['type'], channel: number, bytes: Buffer): void {
    if (this.#closed()) return
    const at = this.#at()
    for (let rest = bytes; rest.length > 0; ) {
      const taken = this.#batch.addStream(at, type, channel, rest)
      if (taken === 0) this.#cut()
      rest = rest.subarray(taken)
    }
    this.#added()
  }

  fact(event: FactEvent, ago = 0): void {
    if (this.#closed()) return
    const json = JSON.stringify(event)
    const at = this.#at(ago)
    if (!this.#batch.addFact(at, json)) {
      this.#cut()
      if (!this.#batch.addFact(at, json)) this.#addLongFact(at, Buffer.from(json, 'utf8'))
    }
    this.#added()
  }

  #addLongFact(at: number, json: Buffer): void {
    if (json.length > MAX_FACT_BYTES) this.#fail(new Error(`a fact of ${json.length} bytes`))
    else
      for (let rest = json; rest.length > 0; ) {
        const taken = this.#batch.addPiece(at, rest)
        if (taken === 0) this.#cut()
        rest = rest.subarray(taken)
      }
  }

  #closed(): boolean {
    return this.#sealed !== undefined || this.#broken || this.waiting > LAST_BOUND_BYTES
  }

  /** Milliseconds since the session began; never back, also when the clock is set back. */
  #at(ago = 0): number {
    this.#lastAt = Math.max(this.#lastAt, Math.trunc(this.#parts.clock.now() - ago - this.#parts.startedAt))
    return this.#lastAt
  }

  #added(): void {
    if (this.waiting > HARD_BOUND_BYTES) this.#overrun()
    if (this.#full.length > 0) this.#start()
    if (!this.#armed && this.#batch.length > 0) this.#arm()
  }

  #arm(): void {
    this.#armed = true
    this.#lengthBefore = this.#batch.length
    if (this.#timer !== undefined) this.#timer.refresh()
    else this.#timer = setTimeout(() => this.#ring(), this.#parts.file.watched ? FOLLOWED_FLUSH_MS : FLUSH_MS)
  }

  #ring(): void {
    this.#armed = false
    const grew = this.#batch.length !== this.#lengthBefore
    if (grew && ++this.#rounds < MOST_ROUNDS && !this.#parts.file.watched) this.#arm()
    else this.#flush()
  }

  /** Sends what has been collected on its way now. */
  #flush(): void {
    this.#rounds = 0
    this.#due = true
    this.#start()
  }

  #cut(): void {
    if (this.#batch.length === 0) return
    this.#wait(this.#batch.length)
    this.#full.push(this.#batch.take())
  }

  #start(): void {
    this.#pump ??= this.#write().finally(() => {
      this.#pump = undefined
      // What became due between the last look and now.
      const more = this.#full.length > 0 || (this.#due && this.#batch.length > 0)
      if (more && !this.#broken) this.#start()
    })
  }

  async #write(): Promise<void> {
    try {
      for (let batch = this.#next(); batch !== undefined; batch = this.#next()) await this.#writeFrame(batch)
    } catch (error) {
      this.#fail(error)
    }
  }

  /** The next batch to write, in order. */
  #next(): Buffer | undefined {
    if (this.#broken) return undefined
    if (this.#full.length === 0 && this.#due) {
      this.#due = false
      this.#cut()
    }
    return this.#full.shift()
  }

  async #writeFrame(batch: Buffer): Promise<void> {
    const packed = await compress(batch)
    const { key, session } = this.#parts
    const type = packed === undefined ? FRAME_STORED : FRAME_ZSTD
    const frame = encodeFrame(packed ?? batch, type, this.#frames, { key, session, previous: this.#link })
    const length = batch.length
    recycle(batch)
    await this.#parts.file.append(frame.bytes)
    if (this.#broken) return
    this.#link = frame.link
    this.#frames += 1
    this.#wait(-length)
    if (this.waiting <= RECORDER_BOUND_BYTES / 2) this.#release()
  }

  #wait(bytes: number): void {
    this.#cutBytes += bytes
    this.#parts.lag(bytes)
  }

  #release(): void {
    this.#drained?.resolve()
    this.#drained = undefined
  }

  /** Too much waits: the session must end, but what has happened in it is still written. */
  #overrun(): void {
    this.#abort(new Error('the session went on while the recorder was behind'))
    this.#flush()
  }

  #abort(cause: unknown): void {
    if (this.failure.aborted) return
    this.#failure.abort(new GatewayError('RECORDING_FAILED', 'The session can no longer be recorded.', { cause }))
    this.#release()
  }

  #fail(cause: unknown): void {
    if (this.#broken) return
    this.#broken = true
    this.#abort(cause)
    clearTimeout(this.#timer)
    this.#batch.take()
    this.#full.length = 0
    this.#wait(-this.#cutBytes)
    this.#ended = true
    this.#parts.file.wake()
  }

  /** Both are called every few seconds for each open recording: first `touch` for all, as it is quick. */
  touch(): Promise<void> {
    return this.#keep(file => file.touch())
  }

  sync(): Promise<void> {
    return this.#keep(file => file.sync())
  }

  async #keep(act: (file: AppendFile) => Promise<void>): Promise<void> {
    if (this.#closed()) return
    try {
      await act(this.#parts.file)
    } catch (error) {
      if (!this.#closed()) this.#fail(error)
    }
  }

  /** Calls `listener` after each frame, after the seal and at a failure, until the returned function is called. */
  watch(listener: () => void): () => void {
    const unwatch = this.#parts.file.watch(listener)
    this.#changePace()
    return () => {
      unwatch()
      this.#changePace()
    }
  }

  /** The next timer has the other pace; what waits now goes at once. */
  #changePace(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#armed = false
    if (!this.#closed() && this.#batch.length > 0) this.#flush()
  }

  seal(reason: string): Promise<SealedRecording> {
    this.#sealed ??= this.#seal(reason)
    return this.#sealed
  }

  async #seal(reason: string): Promise<SealedRecording> {
    clearTimeout(this.#timer)
    this.#flush()
    while (this.#pump !== undefined) await this.#pump
    const { file, name, session, signer, clock, closed } = this.#parts
    try {
      this.failure.throwIfAborted()
      const facts = { session, frames: this.#frames, bytes: file.length, endedAt: clock.now(), reason }
      await file.append(encodeSeal(facts, this.#link, signer))
      await file.sync()
    } catch (error) {
      this.#fail(error)
    }
    this.#ended = true
    file.wake()
    await file.close().catch(() => undefined)
    closed()
    this.failure.throwIfAborted()
    return { file: name, bytes: file.length, hash: this.#link.toString('hex') }
  }
}
