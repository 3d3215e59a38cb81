/** A rotation as the journal has it, and its transitions: one pure function. */

import { JOB_TRIGGERS } from './triggers/rotation-job.ts'

/** Those that are open, in their order. */
export const OPEN_STATES = ['prepared', 'applying', 'applied', 'verified', 'current'] as const
export const CLOSED_STATES = ['finished', 'backed-out', 'refused', 'unknown'] as const

export type OpenState = (typeof OPEN_STATES)[number]
export type ClosedState = (typeof CLOSED_STATES)[number]
/**
 * `prepared`: the candidate is stored, the target knows nothing of it. `applying`: from here on it may be in force there. `applied`: the
 * target said that it is. `verified`: it logged in. `current`: the vault lends it. `finished`: what was before is of no use any more.
 * `backed-out`: what was before is still in force. `refused`: the same; the target took none of the candidates. `unknown`: neither logs in.
 */
export type RotationState = OpenState | ClosedState

/** What the transitions are about. */
export interface Progress {
  readonly state: RotationState
  /** Of candidates: the first has 1. */
  readonly attempt: number
  /** The candidate's version. */
  readonly candidate: number
  /** How often the change of this candidate was begun. */
  readonly changes: number
}

/** Which of the two credentials logs in at the target: what was tried, and answered. */
export type Living = 'candidate' | 'former' | 'neither'

export type RotationEvent =
  /** The change is about to be sent to the target, for the first time or again. */
  | { readonly type: 'change-begins' }
  | { readonly type: 'changed' }
  /** It surely has not changed, and what was before logs in; `replacement` is the next candidate's version, where there is one. */
  | { readonly type: 'candidate-refused'; readonly replacement: number | undefined }
  /** It surely has not changed, and what was before logs in. */
  | { readonly type: 'not-changed' }
  /** Nothing was sent to the target, and nothing will be. */
  | { readonly type: 'given-up' }
  | { readonly type: 'probed'; readonly living: Living }
  | { readonly type: 'made-current' }
  | { readonly type: 'finished' }

export const MOST_CANDIDATES = 5
/** A change whose outcome was lost, and that had not happened, is sent again so often. */
export const MOST_CHANGES = 3

/** Throws where the event cannot happen in this state: what calls it is wrong then. */
export function transition(progress: Progress, event: RotationEvent): Progress {
  const to = (state: RotationState): Progress => ({ ...progress, state })
  switch (event.type) {
    case 'change-begins':
      if (progress.state !== 'prepared' && progress.state !== 'applying') break
      return { ...progress, state: 'applying', changes: progress.changes + 1 }
    case 'changed':
      if (progress.state !== 'applying') break
      return to('applied')
    case 'candidate-refused': {
      if (progress.state !== 'applying') break
      const { replacement } = event
      if (replacement === undefined || progress.attempt >= MOST_CANDIDATES) return to('refused')
      return { state: 'prepared', attempt: progress.attempt + 1, candidate: replacement, changes: 0 }
    }
    case 'not-changed':
      if (progress.state !== 'applying') break
      return to('backed-out')
    case 'given-up':
      if (progress.state !== 'prepared') break
      return to('backed-out')
    case 'probed':
      return afterProbe(progress, event.living)
    case 'made-current':
      if (progress.state !== 'verified') break
      return to('current')
    case 'finished':
      if (progress.state !== 'current') break
      return to('finished')
    default:
      event satisfies never
  }
  throw new Error(`a rotation that is ${progress.state} cannot meet ${event.type}`)
}

function afterProbe(progress: Progress, living: Living): Progress {
  const { state } = progress
  if (state !== 'applying' && state !== 'applied' && state !== 'verified')
    throw new Error(`a rotation that is ${state} is not probed`)
  switch (living) {
    // Wherever both log in, too: what the candidate does is what was wanted.
    case 'candidate':
      return { ...progress, state: 'verified' }
    case 'former':
      // A change that was on its way when its answer was lost may still arrive: the same one again makes both end alike.
      if (state === 'applying' && progress.changes < MOST_CHANGES) return progress
      return { ...progress, state: 'backed-out' }
    case 'neither':
      return { ...progress, state: 'unknown' }
  }
}

/** What is to be done next of a rotation, by what is stored of it alone. */
export type Act = 'begin-change' | 'probe' | 'make-current' | 'finish' | 'nothing'

export function nextAct({ state }: Pick<Progress, 'state'>): Act {
  switch (state) {
    case 'prepared':
      return 'begin-change'
    // Whoever began the change knows its outcome; whoever finds it here does not.
    case 'applying':
    case 'applied':
      return 'probe'
    case 'verified':
      return 'make-current'
    case 'current':
      return 'finish'
    case 'finished':
    case 'backed-out':
    case 'refused':
    case 'unknown':
      return 'nothing'
  }
}

export function isOpen(state: RotationState): state is OpenState {
  return (OPEN_STATES as readonly string[]).includes(state)
}

/** Why it began. */
export const ROTATION_TRIGGERS = [...JOB_TRIGGERS, 'reconcile'] as const
export type RotationTrigger = (typeof ROTATION_TRIGGERS)[number]
