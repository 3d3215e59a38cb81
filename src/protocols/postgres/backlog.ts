/**
 * What was relayed and is not followed yet, of all sessions together. To follow many small messages in one go costs a third of
 * following each when it comes: the code and its data are at hand then.
 */

const BYTES = 64 * 1024
const MOST_CHUNKS = 2048
/** How long a chunk waits at most. */
const PATIENCE_MS = 20

export interface Follower {
  /** The bytes are valid during the call only; `at` is when they came (performance.now()). */
  follow(fromClient: boolean, bytes: Buffer, start: number, end: number, at: number): void
  /** Some of its chunks were followed. */
  followed(): void
}

export class Backlog {
  readonly #bytes = Buffer.allocUnsafeSlow(BYTES)
  readonly #followers = new Array<Follower | undefined>(MOST_CHUNKS).fill(undefined)
  readonly #fromClient = new Uint8Array(MOST_CHUNKS)
  readonly #ends = new Uint32Array(MOST_CHUNKS)
  readonly #came = new Float64Array(MOST_CHUNKS)
  #chunks = 0
  #length = 0
  #timer: NodeJS.Timeout | undefined
  #armed = false
  #running = false

  static readonly mostBytes = BYTES / 16

  /** Keeps a copy of the chunk (of at most `Backlog.mostBytes`) and its time. */
  add(follower: Follower, fromClient: boolean, chunk: Buffer): void {
    if (this.#chunks === MOST_CHUNKS || this.#length + chunk.length > BYTES) this.run()
    const index = this.#chunks++
    this.#followers[index] = follower
    this.#bytes.set(chunk, this.#length)
    this.#length += chunk.length
    this.#ends[index] = this.#length
    this.#fromClient[index] = fromClient ? 1 : 0
    this.#came[index] = performance.now()
    if (!this.#armed) this.#arm()
  }

  #arm(): void {
    this.#armed = true
    if (this.#timer !== undefined) this.#timer.refresh()
    else
      this.#timer = setTimeout(() => {
        this.#armed = false
        this.run()
      }, PATIENCE_MS)
  }

  /** Follows everything that waits, in the order in which it came. */
  run(): void {
    if (this.#running || this.#chunks === 0) return
    this.#running = true
    const touched = new Set<Follower>()
    let start = 0
    for (let index = 0; index < this.#chunks; index++) {
      const follower = this.#followers[index]!
      const end = this.#ends[index]!
      follower.follow(this.#fromClient[index] === 1, this.#bytes, start, end, this.#came[index]!)
      touched.add(follower)
      start = end
    }
    this.#followers.fill(undefined, 0, this.#chunks)
    this.#chunks = 0
    this.#length = 0
    this.#running = false
    for (const follower of touched) follower.followed()
  }
}
