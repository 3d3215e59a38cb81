/** What a target is asked of sessions at it that are over: whether their connection, or anything else of them, is there still. */

import type { AtTarget } from './protocol.ts'

/** A session at the account that logs in to ask. Times are before now, in milliseconds: no two clocks are compared. */
export interface PastSession {
  readonly session: string
  readonly startedAgoMs: number
  readonly endedAgoMs: number
  readonly atTarget: AtTarget
}

export interface LeftBehind {
  /** As the target counts it: a process. */
  readonly id: string
  /** What it is, without arguments: they may hold a secret. */
  readonly what: string
  readonly ageMs: number
}

export type Remains =
  | {
      readonly is: 'seen'
      /** `ended`: it was there, and the gateway has ended it. */
      readonly connection: 'gone' | 'ended' | 'open' | 'unknown'
      /** What began while the session was open, and runs still. */
      readonly left: readonly LeftBehind[]
    }
  /** `lasting`: asked again, it says the same. */
  | { readonly is: 'unknown'; readonly words: string; readonly lasting?: true }

/** Of each session, in their order. */
export interface Asked {
  readonly past: readonly PastSession[]
  /** Sessions at the same account that are open now: how long, and by which connection. */
  readonly open: readonly Pick<PastSession, 'startedAgoMs' | 'atTarget'>[]
}

/** What a clock, or the time of a login, may differ by. */
export const SLACK_MS = 3000
export const MOST_LEFT = 50

export function isWithin(ageMs: number, { startedAgoMs, endedAgoMs }: PastSession): boolean {
  return ageMs <= startedAgoMs + SLACK_MS && ageMs >= endedAgoMs - SLACK_MS
}
