/**
 * What was relayed and is not parsed yet, of all sessions together. To parse many small messages in one go costs a third of
 * parsing each when it comes: the code and its data are at hand then.
 */

const BYTES = 256 * 1024
const MOST_CHUNKS = 8192
/** Of one session: ten bytes can record two kilobytes (`statement.ts`), and the recorder is to be heard in between. */
const MOST_BYTES_OF_ONE = 16 * 1024
/** How long a chunk waits at most: with the write that follows, less than the bound that is published (recorder.ts). */
const PATIENCE_MS = 32
/** No chunk: the end of a chain. */
const NONE = -1

/** One session's part in the backlog: a chain of chunks. */
export abstract class BacklogReader {
  first = NONE
  last = NONE
  bytes = 0

  /** The bytes are valid during the call only; `at` is when they came (performance.now()). Does not throw. */
  abstract parse(fromClient: boolean, bytes: Buffer, start: number, end: number, at: number): void
  /** What waited was parsed. */
  abstract parsed(): void
  /** `PATIENCE_MS` have passed, or less, since the backlog was asked to remind it. */
  abstract remind(): void
}

export class Backlog {
  /** The longest chunk that is taken. */
  static readonly mostBytes = 4 * 1024

  readonly #bytes = Buffer.allocUnsafeSlow(BYTES)
  readonly #fromClient = new Uint8Array(MOST_CHUNKS)
  /** Where each chunk ends; it begins where the one before it ends. */
  readonly #ends = new Uint32Array(MOST_CHUNKS)
  readonly #came = new Float64Array(MOST_CHUNKS)
  /** The next chunk of the same session. */
  readonly #next = new Int32Array(MOST_CHUNKS)
  #chunks = 0
  #length = 0
  #waiting: BacklogReader[] = []
  #toRemind: BacklogReader[] = []
  #timer: NodeJS.Timeout | undefined
  #armed = false

  /** Keeps a copy of the chunk, and the time. */
  add(reader: BacklogReader, fromClient: boolean, chunk: Buffer): void {
    if (this.#chunks === MOST_CHUNKS || this.#length + chunk.length > BYTES) this.#parseAll()
    else if (reader.bytes + chunk.length > MOST_BYTES_OF_ONE) this.catchUp(reader)
    reader.bytes += chunk.length
    const index = this.#chunks++
    this.#bytes.set(chunk, this.#length)
    this.#length += chunk.length
    this.#ends[index] = this.#length
    this.#fromClient[index] = fromClient ? 1 : 0
    this.#came[index] = performance.now()
    this.#next[index] = NONE
    if (reader.first === NONE) {
      reader.first = index
      this.#waiting.push(reader)
    } else this.#next[reader.last] = index
    reader.last = index
    if (!this.#armed) this.#arm()
  }

  /** When its oldest chunk came; Infinity where nothing waits. */
  since(reader: BacklogReader): number {
    return reader.first === NONE ? Number.POSITIVE_INFINITY : this.#came[reader.first]!
  }

  remind(reader: BacklogReader): void {
    this.#toRemind.push(reader)
    if (!this.#armed) this.#arm()
  }

  /** Parses what waits of one session, in the order in which it came. */
  catchUp(reader: BacklogReader): void {
    if (reader.first === NONE) return
    this.#parse(reader)
    reader.parsed()
  }

  /** Session by session: each finds its own data at hand. */
  #parseAll(): void {
    const readers = this.#waiting
    for (const reader of readers) this.#parse(reader)
    this.#waiting = []
    this.#chunks = 0
    this.#length = 0
    for (const reader of readers) reader.parsed()
  }

  #parse(reader: BacklogReader): void {
    reader.bytes = 0
    while (reader.first !== NONE) {
      const index = reader.first
      reader.first = this.#next[index]!
      const fromClient = this.#fromClient[index] === 1
      const start = index === 0 ? 0 : this.#ends[index - 1]!
      reader.parse(fromClient, this.#bytes, start, this.#ends[index]!, this.#came[index]!)
    }
  }

  #remindAll(): void {
    const readers = this.#toRemind
    this.#toRemind = []
    for (const reader of readers) reader.remind()
  }

  #arm(): void {
    this.#armed = true
    if (this.#timer !== undefined) this.#timer.refresh()
    else
      this.#timer = setTimeout(() => {
        this.#armed = false
        this.#parseAll()
        this.#remindAll()
      }, PATIENCE_MS)
  }
}
