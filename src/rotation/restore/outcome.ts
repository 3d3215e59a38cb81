/** What comes of restoring a version, or of looking for one that logs in. */

/** `withheld`: it was not sent, since it was stored for another target. `damaged`: it does not open. */
export interface TriedVersion {
  readonly version: number
  readonly result: 'works' | 'refused' | 'unreachable' | 'withheld' | 'damaged'
  /** The target's own, or the gateway's. */
  readonly words: string
}

export interface RestoredVersion {
  readonly result: 'restored'
  /** The one that is in force now. */
  readonly version: number
  /** Whose content it has. */
  readonly restored: number
  /** By a login with it. */
  readonly verified: boolean
}

export interface ProbeOutcome {
  readonly result: /** It logs in, and was put in force. */
    | 'restored'
    /** Of a dry run: it logs in. */
    | 'found'
    /** What is in force logs in: there is nothing to restore. */
    | 'in-force'
    /** The target refuses all that could be sent. */
    | 'none'
    /** So many were refused that it stopped; `untried` are left. */
    | 'stopped'
    | 'unreachable'
  /** The version that logs in. */
  readonly lives: number | undefined
  /** The one in force now. */
  readonly version: number | undefined
  readonly tried: readonly TriedVersion[]
  readonly untried: readonly number[]
}
