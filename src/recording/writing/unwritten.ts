/** Counts what a recorder was given and its file does not have yet: how much, of which kind, since when. */

import { BULK_BOUND_BYTES, SHOWN_BOUND_BYTES, SHOWN_BOUND_MS } from './recorder.ts'

/** What one batch of events stands for. */
export interface Load {
  readonly shown: number
  readonly bulk: number
  /** When its first event happened. */
  readonly since: number
}

const NEVER = Number.POSITIVE_INFINITY

export class Unwritten {
  readonly #now: () => number
  #given = 0
  #written = 0
  #shown = 0
  /** With what was counted only. */
  #bulk = 0
  #counted = 0
  /** Of what has not been cut into a batch. */
  #open = { shown: 0, bulk: 0, since: NEVER }
  /** Batches that were cut and are not in the file, in order. */
  readonly #cut: Load[] = []

  /** `now`: in milliseconds, from any beginning. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** How much was given so far. */
  get given(): number {
    return this.#given
  }

  /** Bytes of bulk that were counted, and of which no fact tells yet. */
  get counted(): number {
    return this.#counted
  }

  /** Of the next batch. */
  get open(): Load {
    return this.#open
  }

  /** So much was given just now, and happened `ago` milliseconds ago. */
  add(shown: number, bulk: number, ago: number): void {
    if (this.#open.since === NEVER) this.#open.since = this.#now() - ago
    this.#open.shown += shown
    this.#open.bulk += bulk
    this.#shown += shown
    this.#bulk += bulk
    this.#given += shown + bulk
  }

  count(bytes: number): void {
    this.#counted += bytes
    this.#bulk += bytes
  }

  /** A fact of the next batch tells of so many that were counted. */
  told(bytes: number): void {
    this.#open.bulk += bytes
    this.#given += bytes
    this.#counted -= bytes
  }

  /** What was given since the last time is a batch now. */
  cut(): void {
    this.#cut.push(this.#open)
    this.#open = { shown: 0, bulk: 0, since: NEVER }
  }

  /** The oldest batch is in the file. */
  wrote(): void {
    const { shown, bulk } = this.#cut.shift()!
    this.#shown -= shown
    this.#bulk -= bulk
    this.#written += shown + bulk
  }

  /** Whether everything up to this position is in the file. */
  isWritten(position: number): boolean {
    return position <= this.#written
  }

  /** Whether the published bounds hold with so many bytes more. */
  withinBounds(unrecorded: number): boolean {
    if (this.#shown + unrecorded > SHOWN_BOUND_BYTES || this.#bulk > BULK_BOUND_BYTES) return false
    const since = this.#cut[0]?.since ?? this.#open.since
    return since === NEVER || this.#now() - since <= SHOWN_BOUND_MS
  }
}
