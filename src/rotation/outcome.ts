/** What comes of asking for a rotation or a verification, as callers are told. */

import type { Rotation } from './journal.ts'

/** `words`: the target's own, or the gateway's. */
export type RotationOutcome =
  /** With words: it is in force, and something beside it went wrong. */
  | { readonly result: 'rotated'; readonly rotation: string; readonly version: number; readonly words: string }
  /** What was before is still in force. `refused`: the target took none of the candidates. */
  | { readonly result: 'backed-out' | 'refused'; readonly rotation: string; readonly words: string }
  /** Nothing that the vault holds logs in. */
  | { readonly result: 'unknown'; readonly rotation: string; readonly words: string }
  /** It goes on by itself, at this time at the latest, also after a restart. */
  | { readonly result: 'open'; readonly rotation: string; readonly words: string; readonly nextAt: number }
  | { readonly result: 'not-started'; readonly why: NotStarted; readonly words: string }
  /** Of a dry run. */
  | {
      readonly result: 'would-rotate'
      readonly connector: string
      readonly policy: string | undefined
      readonly version: number
    }

/**
 * `changed-elsewhere`: what is in force does not log in, and is not overwritten. `damaged`: it does not open. `busy`: another gateway is at it. `works`, of a
 * reconciliation: what is in force logs in.
 */
export const NOT_STARTED = [
  'changed-elsewhere',
  'unknown',
  'damaged',
  'unreachable',
  'checked-out',
  'busy',
  'works',
] as const
export type NotStarted = (typeof NOT_STARTED)[number]

export type VerifyOutcome =
  | { readonly result: 'works'; readonly version: number; readonly words: string }
  | {
      readonly result: 'changed-elsewhere' | 'damaged' | 'unreachable' | 'busy'
      readonly version: number
      readonly words: string
    }

export function outcomeOf(rotation: Rotation): RotationOutcome {
  const { id, state, candidate, words, nextAt } = rotation
  switch (state) {
    case 'finished':
      return { result: 'rotated', rotation: id, version: candidate, words }
    case 'backed-out':
    case 'refused':
    case 'unknown':
      return { result: state, rotation: id, words }
    case 'prepared':
    case 'applying':
    case 'applied':
    case 'verified':
    case 'current':
      return { result: 'open', rotation: id, words, nextAt }
  }
}
