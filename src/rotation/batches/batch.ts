/** A batch: many accounts that somebody has rotated, some at a time, until all are or too many have failed. */

import type { AccountAddress } from '../../shared/names.ts'

/** What all of it must match that is given; names of targets, and labels' values, may end in `*`. */
export interface Selection {
  readonly labels?: Readonly<Record<string, string>> | undefined
  readonly targets?: readonly string[] | undefined
  readonly accounts?: readonly string[] | undefined
}

/** `stopped`: by somebody, or since too many failed. What had begun by then came to its end. */
export const BATCH_STATES = ['running', 'stopped', 'done'] as const
export type BatchState = (typeof BATCH_STATES)[number]

/** `open`: it goes on by itself. `waits`: somebody has it alone; it is rotated when they return it. */
export const ENTRY_STATES = ['waiting', 'running', 'rotated', 'failed', 'open', 'waits'] as const
export type EntryState = (typeof ENTRY_STATES)[number]

export interface Batch {
  readonly id: string
  readonly by: string
  readonly selection: Selection
  readonly parallel: number
  /** After so many failures no further account begins. */
  readonly stopAfter: number | undefined
  readonly state: BatchState
  /** Why it was stopped. */
  readonly words: string
  readonly startedAt: number
  readonly endedAt: number | undefined
}

export interface BatchEntry extends AccountAddress {
  readonly state: EntryState
  readonly words: string
  readonly startedAt: number | undefined
  /** The how many'th of the batch that came to an end; from 1. */
  readonly place: number | undefined
}

export type BatchCounts = Readonly<Record<EntryState, number>>
