/** Where bytes pass to one side of a session, in order, and no earlier than the recording allows. */

import type { Recorder } from './recorder.ts'

/** So much may wait here; then no more should be read. */
const MOST_HELD_BYTES = 64 * 1024

const NOTHING = Buffer.alloc(0)

interface Held {
  readonly bytes: Buffer
  /** Of the recorder, when all events of these bytes had been given to it. */
  readonly position: number
}

export class Gate {
  readonly #recorder: Recorder
  readonly #send: (bytes: Buffer) => void
  readonly #full: (full: boolean) => void
  #held: Held[] = []
  #heldBytes = 0
  #isFull = false
  #open = true
  #dropped = false
  #releasing: Promise<void> = Promise.resolve()

  /** `full` is called when no more should be read, and when it may go on. */
  constructor(recorder: Recorder, send: (bytes: Buffer) => void, full: (full: boolean) => void) {
    this.#recorder = recorder
    this.#send = send
    this.#full = full
  }

  /** Whether bytes would pass now, when the recorder has not heard of `unrecorded` bytes that were relayed, or would be by this. */
  passable(unrecorded = 0): boolean {
    if (!this.#open) return true
    return this.#held.length === 0 && this.#recorder.mayPass(this.#recorder.position, unrecorded)
  }

  /** Sends the bytes, or holds a copy until it may. Their events have been given to the recorder. */
  pass(bytes: Buffer): void {
    if (this.passable()) this.#send(bytes)
    else this.#hold(bytes)
  }

  /** Resolves when everything that the recorder was given so far may pass, and what was held for it has passed; or when it never will. */
  async turn(): Promise<void> {
    if (this.passable()) return
    this.#hold(NOTHING)
    await this.#releasing
  }

  get holds(): boolean {
    return this.#held.length > 0
  }

  /** Whether the side has not been sent all that passed here, and will not be. */
  get dropped(): boolean {
    return this.#dropped
  }

  /** Resolves when nothing is held any more: it was sent, or dropped. */
  get empty(): Promise<void> {
    return this.#releasing
  }

  /** The session must end: what is held is dropped, and whatever still comes (the gateway's final messages) passes. */
  end(): void {
    this.#open = false
    this.#dropped ||= this.holds
    this.#held = []
    this.#heldBytes = 0
  }

  #hold(bytes: Buffer): void {
    const position = this.#recorder.position
    this.#held.push({ bytes: Buffer.from(bytes), position })
    this.#heldBytes += bytes.length
    this.#recorder.flush()
    if (this.#held.length === 1) this.#releasing = this.#release()
    this.#tell()
  }

  async #release(): Promise<void> {
    while (this.#held.length > 0) {
      // What recording has failed for is never shown; the session ends.
      if (this.#recorder.failure.aborted) return this.end()
      await this.#recorder.progress()
      for (let [first] = this.#held; first !== undefined && this.#mayPass(first); [first] = this.#held) {
        this.#held.shift()
        this.#heldBytes -= first.bytes.length
        if (first.bytes.length > 0) this.#send(first.bytes)
      }
      this.#tell()
      if (this.#held.length > 0) this.#recorder.flush()
    }
  }

  #mayPass({ position }: Held): boolean {
    return this.#recorder.mayPass(position)
  }

  #tell(): void {
    const full = this.#heldBytes > MOST_HELD_BYTES
    if (full === this.#isFull) return
    this.#isFull = full
    this.#full(full)
  }
}
