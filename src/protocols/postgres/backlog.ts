/**
 * What was relayed and is not followed yet, of all sessions together. To follow many small messages in one go costs a third of
 * following each when it comes: the code and its data are at hand then.
 */

const BYTES = 64 * 1024
const MOST_CHUNKS = 2048
/** How long a chunk waits at most. */
const PATIENCE_MS = 20
/** No chunk: the end of a chain. */
const NONE = -1

/** One session's share of the backlog: a chain of chunks. */
export class Share {
  readonly follower: Follower
  first = NONE
  last = NONE

  constructor(follower: Follower) {
    this.follower = follower
  }
}

export interface Follower {
  /** The bytes are valid during the call only; `at` is when they came (performance.now()). Does not throw. */
  follow(fromClient: boolean, bytes: Buffer, start: number, end: number, at: number): void
  /** What waited was followed. */
  followed(): void
}

export class Backlog {
  /** The longest chunk that is taken. */
  static readonly mostBytes = BYTES / 16

  readonly #bytes = Buffer.allocUnsafeSlow(BYTES)
  readonly #fromClient = new Uint8Array(MOST_CHUNKS)
  readonly #starts = new Uint32Array(MOST_CHUNKS)
  readonly #ends = new Uint32Array(MOST_CHUNKS)
  readonly #came = new Float64Array(MOST_CHUNKS)
  /** The next chunk of the same session. */
  readonly #next = new Int32Array(MOST_CHUNKS)
  #chunks = 0
  #length = 0
  #waiting: Share[] = []
  #timer: NodeJS.Timeout | undefined
  #armed = false

  /** Keeps a copy of the chunk, and the time. */
  add(share: Share, fromClient: boolean, chunk: Buffer): void {
    if (this.#chunks === MOST_CHUNKS || this.#length + chunk.length > BYTES) this.#followAll()
    const index = this.#chunks++
    this.#starts[index] = this.#length
    this.#bytes.set(chunk, this.#length)
    this.#length += chunk.length
    this.#ends[index] = this.#length
    this.#fromClient[index] = fromClient ? 1 : 0
    this.#came[index] = performance.now()
    this.#next[index] = NONE
    if (share.first === NONE) {
      share.first = index
      this.#waiting.push(share)
    } else this.#next[share.last] = index
    share.last = index
    if (!this.#armed) this.#arm()
  }

  /** Follows what waits of one session, in the order in which it came. */
  catchUp(share: Share): void {
    if (share.first === NONE) return
    this.#follow(share)
    share.follower.followed()
  }

  /** Session by session: each finds its own data at hand. */
  #followAll(): void {
    const shares = this.#waiting
    for (const share of shares) this.#follow(share)
    this.#waiting = []
    this.#chunks = 0
    this.#length = 0
    for (const share of shares) share.follower.followed()
  }

  #follow(share: Share): void {
    while (share.first !== NONE) {
      const index = share.first
      share.first = this.#next[index]!
      const fromClient = this.#fromClient[index] === 1
      share.follower.follow(fromClient, this.#bytes, this.#starts[index]!, this.#ends[index]!, this.#came[index]!)
    }
  }

  #arm(): void {
    this.#armed = true
    if (this.#timer !== undefined) this.#timer.refresh()
    else
      this.#timer = setTimeout(() => {
        this.#armed = false
        this.#followAll()
      }, PATIENCE_MS)
  }
}
