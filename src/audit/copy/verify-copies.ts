/** Verifies the JSON-lines copy of the audit log with the public key alone: rotated files, and files of several gateways, in any order. */

import { type ChainHead, readPublicKey } from '../chain/chain.ts'
import { type Copy, type CopyPart, type LinePosition, type LineProblem, readCopy } from './read-copy.ts'

export type CopyProblemKind = LineProblem | 'missing' | 'reordered' | 'repeated' | 'forked' | 'truncated'

export interface CopyProblem extends LinePosition {
  readonly problem: CopyProblemKind
  readonly seq: number
  readonly message: string
}

type Noted = ChainHead & { readonly at?: number }

export interface CopiesOptions {
  /** These are the files of one of several gateways: the events of the others are not in them. */
  readonly partial?: boolean
  /** Ends of the chain as they were noted, or sent out (then with the time), earlier: they must be in it. */
  readonly noted?: readonly Noted[]
}

export interface CopiesVerdict {
  readonly ok: boolean
  /** Events that are good. */
  readonly events: number
  /** Where the copy begins and ends; undefined when there is no event. */
  readonly first: (ChainHead & LinePosition & { readonly previous: string }) | undefined
  readonly last: (ChainHead & LinePosition) | undefined
  /** The first of them, in the order in which they were found, and how many there are. */
  readonly problems: readonly CopyProblem[]
  readonly problemCount: number
  /** Last lines that were never finished. */
  readonly torn: readonly LinePosition[]
  /** Events that stand in two of the files. */
  readonly repeated: number
  /** With `partial`: events of others. */
  readonly absent: number
  /** Of `noted`: those that are in the copy. Those that lie before its beginning or in a gap cannot be compared. */
  readonly confirmed: number
}

/** How far lines of several gateways may be apart from their order, in events. */
const WINDOW = 10_000
const PARTIAL_WINDOW = 16
const MAX_SHOWN = 100

type Event = CopyPart & { kind: 'event' }
interface Link extends LinePosition {
  readonly hash: string
  /** Undefined where the line is bad: what follows cannot be compared with it. */
  readonly previous: string | undefined
}

/** Reads all files at once, always on from the one whose next event is the earliest, so that nothing but what is out of order is kept. */
export async function verifyCopies(
  copies: readonly Copy[],
  publicKeyPem: string,
  options: CopiesOptions = {},
): Promise<CopiesVerdict> {
  const publicKey = readPublicKey(publicKeyPem)
  const chain = new Chain(options)
  const readers = copies.map(copy => new Reader(readCopy(copy, publicKey), chain))
  await Promise.all(readers.map(reader => reader.next()))
  for (;;) {
    let earliest: Reader | undefined
    for (const reader of readers) {
      if (reader.seq !== undefined && (earliest?.seq === undefined || reader.seq < earliest.seq)) earliest = reader
    }
    if (earliest === undefined) return chain.end()
    chain.take(earliest.part!)
    await earliest.next()
  }
}

type Ordered = Event | (CopyPart & { kind: 'bad' })

/** One file: notices lines that are out of order in it. */
class Reader {
  readonly #parts: AsyncGenerator<CopyPart, void>
  readonly #chain: Chain
  /** The last event of each gateway: one gateway writes its events in order. */
  readonly #last = new Map<string, { seq: number; line: number }>()
  #highest: { seq: number; line: number; gateway: string } | undefined
  part: Ordered | undefined

  constructor(parts: AsyncGenerator<CopyPart, void>, chain: Chain) {
    this.#parts = parts
    this.#chain = chain
  }

  get seq(): number | undefined {
    return this.part === undefined ? undefined : this.part.kind === 'event' ? this.part.row.seq : this.part.seq
  }

  async next(): Promise<void> {
    this.part = undefined
    for (;;) {
      const { value: part, done } = await this.#parts.next()
      if (done === true) return
      if (part.kind === 'event') {
        this.#order(part)
        this.part = part
        return
      }
      this.#chain.tell(part)
      // A line that cannot be trusted is believed only where it says what was to be expected.
      if (part.kind === 'bad' && part.seq === (this.#highest?.seq ?? 0) + 1) {
        this.#highest = { seq: part.seq, line: part.line, gateway: this.#highest?.gateway ?? '' }
        this.part = part
        return
      }
    }
  }

  #order({ row: { seq, gateway }, file, line }: Event): void {
    const last = this.#last.get(gateway)
    if (last !== undefined && seq <= last.seq) {
      const same = seq === last.seq
      const problem = same ? 'repeated' : 'reordered'
      const message = same
        ? `event ${seq} stands in line ${last.line} already`
        : `event ${seq} comes after event ${last.seq}`
      this.#chain.complain({ file, line, seq, problem, message: `${message}${same ? '' : ` (line ${last.line})`}` })
      return
    }
    this.#last.set(gateway, { seq, line })
    const highest = this.#highest
    if (highest !== undefined && seq < highest.seq) this.#chain.crossed({ file, line, seq, gateway, highest })
    else this.#highest = { seq, line, gateway }
  }
}

interface Crossing extends LinePosition {
  readonly seq: number
  readonly gateway: string
  readonly highest: { readonly seq: number; readonly line: number; readonly gateway: string }
}

/** All files together: what is missing, what does not follow, and whether what was noted is in it. */
class Chain {
  readonly #partial: boolean
  readonly #noted: ReadonlyMap<number, Noted[]>
  readonly #problems: CopyProblem[] = []
  readonly #torn: LinePosition[] = []
  readonly #pending = new Map<number, Link>()
  readonly #passed = new Map<number, { hash: string; file: string }>()
  readonly #crossings: Crossing[] = []
  /** The first and the last event of each gateway. */
  readonly #spans = new Map<string, { first: number; last: number }>()
  #problemCount = 0
  #events = 0
  #repeated = 0
  #absent = 0
  #confirmed = 0
  #first: CopiesVerdict['first']
  #head: (ChainHead & LinePosition & { readonly known: boolean }) | undefined

  constructor({ partial = false, noted = [] }: CopiesOptions) {
    this.#partial = partial
    const map = new Map<number, Noted[]>()
    for (const one of noted) map.set(one.seq, [...(map.get(one.seq) ?? []), one])
    this.#noted = map
  }

  complain(problem: CopyProblem): void {
    this.#problemCount++
    if (this.#problems.length < MAX_SHOWN) this.#problems.push(problem)
  }

  tell(part: CopyPart & { kind: 'bad' | 'torn' }): void {
    const { file, line } = part
    if (part.kind === 'torn') this.#torn.push({ file, line })
    else this.complain({ file, line, seq: part.seq, problem: part.problem, message: part.message })
  }

  crossed(crossing: Crossing): void {
    if (this.#crossings.length < MAX_SHOWN) this.#crossings.push(crossing)
  }

  take(part: Ordered): void {
    const { file, line } = part
    if (part.kind === 'bad') {
      if (!this.#pending.has(part.seq)) this.#pending.set(part.seq, { file, line, hash: '', previous: undefined })
      return
    }
    const { seq, hash, previous, gateway } = part.row
    this.#events++
    const span = this.#spans.get(gateway)
    this.#spans.set(gateway, { first: Math.min(seq, span?.first ?? seq), last: Math.max(seq, span?.last ?? seq) })
    for (const noted of this.#noted.get(seq) ?? []) {
      if (noted.hash === hash) this.#confirmed++
      else {
        const message = `event ${seq} is not the one ${noted.at === undefined ? 'that was noted earlier' : `whose head was ${sentOut(noted.at)}`}`
        this.complain({ file, line, seq, problem: 'changed', message })
      }
    }
    const known = this.#passed.get(seq) ?? this.#pending.get(seq)
    if (known !== undefined && known.hash !== '') {
      this.#again(part, known)
      return
    }
    // Its line in another file is bad, and this one is not.
    if (this.#passed.has(seq)) return
    if (this.#head !== undefined && seq <= this.#head.seq) {
      this.complain({
        file,
        line,
        seq,
        problem: 'reordered',
        message: `event ${seq} comes long after event ${this.#head.seq}`,
      })
      return
    }
    this.#pending.set(seq, { file, line, hash, previous })
    this.#advance()
    // Of one gateway there is nothing to wait for.
    const window = this.#partial ? PARTIAL_WINDOW : WINDOW
    if (this.#pending.size > window) this.#skip(window / 2)
  }

  end(): CopiesVerdict {
    this.#skip(this.#pending.size)
    for (const { file, line, seq, gateway, highest } of this.#crossings) {
      // Two gateways that ran at the same time may write in turns; of two that ran one after the other, the first writes first.
      const mine = this.#spans.get(gateway)!
      const other = this.#spans.get(highest.gateway)
      if (other === undefined || mine.last >= other.first) continue
      this.complain({
        ...{ file, line, seq, problem: 'reordered' },
        message: `event ${seq} comes after event ${highest.seq} (line ${highest.line})`,
      })
    }
    const last = this.#head
    const end = last?.seq ?? 0
    const beyond = [...this.#noted.values()].flat().reduce((most, noted) => (noted.seq > most.seq ? noted : most), NONE)
    if (beyond.seq > end) {
      const place = { file: last?.file ?? '', line: last?.line ?? 0, seq: beyond.seq }
      const what =
        beyond.at === undefined
          ? `before event ${beyond.seq}, which was noted earlier`
          : `but head ${beyond.seq} was ${sentOut(beyond.at)}: its end was cut off`
      this.complain({ ...place, problem: 'truncated', message: `the log ends at ${end}, ${what}` })
    }
    return {
      ok: this.#problemCount === 0,
      events: this.#events,
      first: this.#first,
      last: last && { seq: last.seq, hash: last.hash, file: last.file, line: last.line },
      problems: this.#problems,
      problemCount: this.#problemCount,
      torn: this.#torn,
      repeated: this.#repeated,
      absent: this.#absent,
      confirmed: this.#confirmed,
    }
  }

  #again({ row: { seq, hash }, file, line }: Event, known: { hash: string; file: string }): void {
    if (known.hash !== hash) {
      this.complain({
        file,
        line,
        seq,
        problem: 'forked',
        message: `another event ${seq}, signed as well, stands in ${known.file}`,
      })
    } else if (known.file !== file) this.#repeated++
  }

  #advance(): void {
    if (this.#head === undefined) return
    for (
      let next = this.#pending.get(this.#head.seq + 1);
      next !== undefined;
      next = this.#pending.get(this.#head.seq + 1)
    ) {
      this.#step(this.#head.seq + 1, next, false)
    }
  }

  /** Nothing follows the head: goes on behind the gap, with this many of those that wait. */
  #skip(count: number): void {
    const waiting = [...this.#pending.keys()].sort((a, b) => a - b)
    for (const seq of waiting.slice(0, count)) {
      const link = this.#pending.get(seq)!
      const gap = seq !== (this.#head?.seq ?? 0) + 1 || this.#head === undefined
      if (gap) this.#gap(seq, link)
      this.#step(seq, link, gap)
    }
    this.#advance()
  }

  #gap(seq: number, { file, line, hash, previous = '' }: Link): void {
    if (this.#head === undefined) this.#first = { seq, hash, previous, file, line }
    else if (this.#partial) this.#absent += seq - this.#head.seq - 1
    else {
      const from = this.#head.seq + 1
      const what = from === seq - 1 ? `event ${from} is missing` : `events ${from} to ${seq - 1} are missing`
      this.complain({ file, line, seq: from, problem: 'missing', message: `${what} before event ${seq}` })
    }
  }

  #step(seq: number, { file, line, hash, previous }: Link, behindGap: boolean): void {
    const before = this.#head
    if (!behindGap && before?.known === true && previous !== undefined && previous !== before.hash) {
      this.complain({ file, line, seq, problem: 'forked', message: `event ${seq} does not follow the event before it` })
    }
    this.#head = { seq, hash, file, line, known: previous !== undefined }
    this.#pending.delete(seq)
    this.#passed.set(seq, { hash, file })
    if (this.#passed.size > WINDOW) this.#passed.delete(this.#passed.keys().next().value!)
  }
}

const NONE: Noted = { seq: 0, hash: '' }

function sentOut(at: number): string {
  return `sent out at ${new Date(at).toISOString()}`
}
