/** A recording's file while it is written: only ever appended to, by one owner, who notices when anybody else touches it. */

import { fstat, write } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { promisify } from 'node:util'
import { type Clock, elapsed } from '../../shared/clock.ts'
import type { AppendableRecording } from './appendable-recording.ts'

/** Without the file handle in between: half the work of the main thread, and there are many small frames. */
const statOf = promisify(fstat)
const writeTo = promisify(write)

/**
 * What was looked at or written so long ago is looked at again before the next write. Nobody else takes a file for ownerless before it
 * lay untouched for several times as long, and each write touches it.
 */
const TRUSTED_MS = 1000

const waiting: (() => void)[] = []

/** Resolves when all files that have something to write in this turn of the event loop are here: a thread that is awake takes all. */
function together(): Promise<void> {
  return new Promise(resolve => {
    if (waiting.push(resolve) === 1) {
      setImmediate(() => {
        for (const go of waiting.splice(0)) go()
      })
    }
  })
}

/** Somebody else cut, wrote, or removed the file while it was being written. */
export class ChangedByOthers extends Error {}

export class AppendFile implements AppendableRecording {
  readonly #handle: FileHandle
  readonly #clock: Clock
  readonly #watchers = new Set<() => void>()
  #length: number
  #unsynced = true
  #seenAt = Number.NEGATIVE_INFINITY

  /** `handle` is open for appending; the file has `length` bytes. */
  constructor(handle: FileHandle, length: number, clock: Clock) {
    this.#handle = handle
    this.#length = length
    this.#clock = clock
  }

  /** Bytes that were written whole: a frame is in it or not. */
  get length(): number {
    return this.#length
  }

  /**
   * Throws when the disk does not take all of it, or when somebody else wrote to the file, sealed it or removed it: within
   * `TRUSTED_MS`, and always where this process has slept in between, or where it is the `last` that is written.
   */
  async append(bytes: Buffer, last = false): Promise<void> {
    await together()
    const { fd } = this.#handle
    if (last || elapsed(this.#clock) - this.#seenAt > TRUSTED_MS) await this.#check(fd)
    for (let offset = 0; offset < bytes.length; ) {
      const { bytesWritten } = await writeTo(fd, bytes, offset, bytes.length - offset)
      if (bytesWritten === 0) throw new Error('nothing was written')
      offset += bytesWritten
    }
    this.#length += bytes.length
    this.#unsynced = true
    this.wake()
  }

  async #check(fd: number): Promise<void> {
    const { size, nlink } = await statOf(fd)
    if (size !== this.#length) throw new ChangedByOthers(`the file has ${size} bytes and should have ${this.#length}`)
    if (nlink === 0) throw new ChangedByOthers('the file has been removed')
    this.#seenAt = elapsed(this.#clock)
  }

  /** Brings what was written since the last time to the disk. */
  async sync(): Promise<void> {
    if (!this.#unsynced) return
    this.#unsynced = false
    await this.#handle.datasync()
  }

  /** Says by the file's time that it is still owned, where nothing was written lately. */
  async touch(): Promise<void> {
    const now = this.#clock.now() / 1000
    if (!this.#unsynced) await this.#handle.utimes(now, now)
  }

  /** Calls `listener` when the file has grown, until the returned function is called. */
  watch(listener: () => void): () => void {
    this.#watchers.add(listener)
    return () => void this.#watchers.delete(listener)
  }

  wake(): void {
    for (const listener of this.#watchers) listener()
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}
