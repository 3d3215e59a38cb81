/** Copies this gateway's audit events from the store to its sinks. The store has them all: a sink may lag, and catches up. */

import type { Database } from '../../database/database.ts'
import { messageOf } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { formatLine } from './line.ts'
import type { AuditSink } from './sinks.ts'

export interface Feed {
  /**
   * The chain has grown up to this event; `adopted`: from this event on, also by events that other gateways had left. Returns at once:
   * a slow sink never holds up a login.
   */
  stored(seq: number, adopted?: number): void
  reopen(): Promise<void>
  /** Writes what is missing, and closes the sinks. */
  close(): Promise<void>
}

export interface FeedOptions {
  readonly database: Database
  readonly gateway: string
  readonly sinks: readonly AuditSink[]
  readonly log?: Log | undefined
}

const PAGE = 256
const RETRY_MS = 5000

export function feedSinks({ sinks, ...options }: FeedOptions): Feed {
  const feeders = sinks.map(sink => new Feeder(sink, options))
  return {
    stored(seq, adopted) {
      for (const feeder of feeders) feeder.stored(seq, adopted)
    },
    reopen: async () => void (await Promise.all(feeders.map(feeder => feeder.reopen()))),
    close: async () => void (await Promise.all(feeders.map(feeder => feeder.close()))),
  }
}

class Feeder {
  readonly #sink: AuditSink
  readonly #database: Database
  readonly #log: Log | undefined
  readonly #gateway: string
  /** What is written of this gateway's events, and up to where it should be. */
  #written = 0
  #wanted = 0
  /** What processes before this one wrote, by their ids, and whether their last events may be missing behind it. */
  readonly #before: Map<string, number>
  #beforeIsDue: boolean
  /** Where events stand that others had left, and that are in no file of theirs: they do not live any more. */
  readonly #adopted: { from: number; readonly to: number }[] = []
  #failing = false
  #copyIsDue = false
  #retry: NodeJS.Timeout | undefined
  /** One step after the other: copying, reopening and closing never overlap. */
  #last: Promise<void> = Promise.resolve()

  constructor(sink: AuditSink, { database, gateway, log }: Omit<FeedOptions, 'sinks'>) {
    this.#sink = sink
    this.#database = database
    this.#gateway = gateway
    this.#log = log
    this.#before = new Map(sink.lasts?.map(({ gateway, seq }) => [gateway, seq]))
    this.#beforeIsDue = this.#before.size > 0
    if (this.#beforeIsDue) this.#copyLater()
  }

  stored(seq: number, adopted: number | undefined): void {
    this.#wanted = Math.max(this.#wanted, seq)
    if (adopted !== undefined) {
      this.#beforeIsDue = this.#before.size > 0
      this.#adopted.push({ from: adopted, to: seq })
    }
    if (!this.#failing) this.#copyLater()
  }

  async reopen(): Promise<void> {
    await this.#next(() => this.#sink.reopen())
    await this.#next(() => this.#copy())
  }

  async close(): Promise<void> {
    await this.#next(() => this.#copy())
    clearTimeout(this.#retry)
    await this.#next(() => this.#sink.close())
  }

  #next(step: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(step, step)
    return this.#last
  }

  #copyLater(): void {
    if (this.#copyIsDue) return
    this.#copyIsDue = true
    void this.#next(() => this.#copy())
  }

  async #copy(): Promise<void> {
    this.#copyIsDue = false
    try {
      if (this.#beforeIsDue) {
        this.#beforeIsDue = false
        for (const [gateway, last] of this.#before) {
          for await (const seq of this.#write([gateway], last)) this.#before.set(gateway, seq)
        }
      }
      for (let range = this.#adopted[0]; range !== undefined; range = this.#adopted[0]) {
        const others = await this.#othersIn(range.from, range.to)
        if (others.length > 0)
          for await (const seq of this.#write(others, range.from - 1, range.to)) range.from = seq + 1
        this.#adopted.shift()
      }
      const wanted = this.#wanted
      if (this.#written < wanted) {
        for await (const seq of this.#write([this.#gateway], this.#written, wanted)) this.#written = seq
        this.#written = wanted
      }
      if (this.#failing) this.#log?.info({ sink: this.#sink.name }, 'audit events are written here again')
      this.#failing = false
    } catch (error) {
      this.#beforeIsDue = this.#before.size > 0
      const facts = { sink: this.#sink.name, reason: messageOf(error) }
      if (!this.#failing) this.#log?.error(facts, 'audit events cannot be written here; they are in the store')
      this.#failing = true
      clearTimeout(this.#retry)
      this.#retry = setTimeout(() => this.#copyLater(), RETRY_MS).unref()
    }
  }

  /** The gateways with events there, but for this one and those before it. */
  async #othersIn(from: number, to: number): Promise<string[]> {
    const rows = await this.#database
      .selectFrom('audit_events')
      .select('gateway')
      .distinct()
      .where('seq', '>=', from)
      .where('seq', '<=', to)
      .execute()
    return rows.map(row => row.gateway).filter(id => id !== this.#gateway && !this.#before.has(id))
  }

  /** Writes these gateways' events after `after`; yields the number of the last one after each page. */
  async *#write(gateways: readonly string[], after: number, until = Number.MAX_SAFE_INTEGER): AsyncGenerator<number> {
    for (let reached = after; ; ) {
      const rows = await this.#database
        .selectFrom('audit_events')
        .selectAll()
        .where('gateway', 'in', gateways)
        .where('seq', '>', reached)
        .where('seq', '<=', until)
        .orderBy('seq')
        .limit(PAGE)
        .execute()
      if (rows.length === 0) return
      await this.#sink.write(`${rows.map(formatLine).join('\n')}\n`)
      reached = rows.at(-1)!.seq
      yield reached
      if (rows.length < PAGE) return
    }
  }
}
