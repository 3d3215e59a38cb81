/** Writes batches of events into a recording's file, one after the other: each becomes a frame that is linked to the one before. */

import type { KeyObject } from 'node:crypto'
import { encodeFrame } from '../format/container.ts'
import { recycle } from '../format/event-codec.ts'
import { pack } from '../format/pack.ts'
import type { AppendableRecording } from './appendable-recording.ts'

export interface FrameWriterParts {
  readonly file: AppendableRecording
  readonly session: string
  readonly key: KeyObject
  /** The header's. */
  readonly link: Buffer
}

/** Where its batches come from, and the callbacks for what became of them. */
export interface FrameSource {
  /** Whether there is a batch that is due. */
  readonly hasBatch: boolean
  /** The next batch that is due, in order. */
  takeBatch(): Buffer | undefined
  /** A frame of so many bytes of events is in the file. */
  wrote(bytes: number): void
  /** The file takes no more: `takeBatch` must give nothing from then on. */
  failed(cause: unknown): void
}

export class FrameWriter {
  readonly #parts: FrameWriterParts
  readonly #source: FrameSource
  #link: Buffer
  #frames = 0
  /** Resolves when there is no batch left. */
  #writing: Promise<void> | undefined
  #stopped = false

  constructor(parts: FrameWriterParts, source: FrameSource) {
    this.#parts = parts
    this.#source = source
    this.#link = parts.link
  }

  /** The last frame's. */
  get link(): Buffer {
    return this.#link
  }

  get frames(): number {
    return this.#frames
  }

  /** Writes what is due, and what becomes due meanwhile. */
  start(): void {
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined
      // What became due between the last look and now.
      if (this.#source.hasBatch) this.start()
    })
  }

  /** Resolves when nothing is being written. */
  async idle(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing
  }

  /** What is being written now is not counted any more. */
  stop(): void {
    this.#stopped = true
  }

  async #write(): Promise<void> {
    try {
      for (let batch = this.#source.takeBatch(); batch !== undefined; batch = this.#source.takeBatch()) {
        await this.#writeFrame(batch)
      }
    } catch (error) {
      this.#source.failed(error)
    }
  }

  async #writeFrame(batch: Buffer): Promise<void> {
    const { type, payload } = await pack(batch)
    const { file, key, session } = this.#parts
    const frame = encodeFrame(payload, type, this.#frames, { key, session, previous: this.#link })
    const bytes = batch.length
    recycle(batch)
    await file.append(frame.bytes)
    if (this.#stopped) return
    this.#link = frame.link
    this.#frames += 1
    this.#source.wrote(bytes)
  }
}
