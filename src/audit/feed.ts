/** Copies this gateway's audit events from the store to its sinks. The store has them all: a sink may lag, and catches up. */

import type { Database } from '../database/database.ts'
import { messageOf } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import { formatLine } from './line.ts'
import type { AuditSink } from './sinks.ts'

export interface Feed {
  /**
   * The chain has grown up to this event; `adopted`: also by events that gateways before this one had left. Returns at once: a slow
   * sink never holds up a login.
   */
  stored(seq: number, adopted?: boolean): void
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
    stored(seq, adopted = false) {
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
  /** What a process before this one wrote, and whether its own last events may be missing behind it. */
  readonly #before: { gateway: string; seq: number } | undefined
  #beforeIsDue: boolean
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
    this.#before = sink.last && { ...sink.last }
    this.#beforeIsDue = this.#before !== undefined
    if (this.#beforeIsDue) this.#copyLater()
  }

  stored(seq: number, adopted: boolean): void {
    this.#wanted = Math.max(this.#wanted, seq)
    if (adopted && this.#before !== undefined) this.#beforeIsDue = true
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
      if (this.#before !== undefined && this.#beforeIsDue) {
        this.#beforeIsDue = false
        for await (const seq of this.#write(this.#before.gateway, this.#before.seq)) this.#before.seq = seq
      }
      const wanted = this.#wanted
      if (this.#written < wanted) {
        for await (const seq of this.#write(this.#gateway, this.#written, wanted)) this.#written = seq
        this.#written = wanted
      }
      if (this.#failing) this.#log?.info({ sink: this.#sink.name }, 'audit events are written here again')
      this.#failing = false
    } catch (error) {
      this.#beforeIsDue = this.#before !== undefined
      const facts = { sink: this.#sink.name, reason: messageOf(error) }
      if (!this.#failing) this.#log?.error(facts, 'audit events cannot be written here; they are in the store')
      this.#failing = true
      clearTimeout(this.#retry)
      this.#retry = setTimeout(() => this.#copyLater(), RETRY_MS).unref()
    }
  }

  /** Writes one gateway's events after `after`; yields the number of the last one after each page. */
  async *#write(gateway: string, after: number, until = Number.MAX_SAFE_INTEGER): AsyncGenerator<number> {
    for (let reached = after; ; ) {
      const rows = await this.#database
        .selectFrom('audit_events')
        .selectAll()
        .where('gateway', '=', gateway)
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
