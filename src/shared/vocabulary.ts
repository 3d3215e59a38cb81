/** The words that many layers have in common, each a closed list: levels, and how promptly is recorded. */

export const LEVELS = ['basic', 'power', 'admin', 'system'] as const

/** How an account is used that somebody has checked out: in sessions through the gateway alone, or with a credential that they are shown. */
export const CHECK_OUT_WAYS = ['inject', 'reveal'] as const
export type CheckOutWay = (typeof CHECK_OUT_WAYS)[number]

/**
 * What may be shown before it is written. `within-bound`: a little (the bounds in recording/writing/recorder.ts). `before-relay`: nothing; whatever is relayed
 * waits until the operating system has taken its events.
 */
export const PROMPTNESS = ['within-bound', 'before-relay'] as const
export type Promptness = (typeof PROMPTNESS)[number]
