/** What the pipeline needs of access requests, for somebody who asks for access while they connect. Implemented in `access-requests/`. */

import type { PrincipalFacts } from '../identity/principal.ts'
import type { Offered } from '../policy/offers.ts'
import type { GivenWords } from '../policy/session-conditions.ts'

export interface AskedAccess {
  /** `req_…` */
  readonly id: string
  /** Who decides on it, as people read it. */
  readonly approvers: string
  /** It was asked for before, and is not withdrawn when this login waits no longer. */
  readonly known: boolean
  /** Resolves when it is decided, on whichever gateway; never once the signal is aborted. */
  decided(signal: AbortSignal): Promise<AskedOutcome>
  /** They wait no longer: unless they keep it, it is withdrawn where nobody has decided, and nobody else waits. Never rejects. */
  leave(how: { readonly keeps: boolean }): Promise<LeftRequest>
}

/** What has become of it by that. */
export type LeftRequest = 'withdrawn' | 'stands' | 'decided'

export type AskedOutcome =
  | { readonly is: 'approved' }
  /** `words`: what has become of it, for the person. */
  | { readonly is: 'over'; readonly words: string }

/** Who asks, in which session. */
export interface AskingPerson extends PrincipalFacts {
  readonly session: string
}

export interface AskedWish {
  readonly words: GivenWords
  /** Not given: as long as there is. */
  readonly lengthMs?: number | undefined
  /** It may stay when they leave: it is open for as long as one that was asked for elsewhere. */
  readonly mayStay: boolean
  /** By `AskForAccess.now`, before it was refused them: the same that was approved since then is theirs, and nothing is asked for. */
  readonly since: number
}

export interface AskForAccess {
  now(): number
  /** The same that they have asked for and nobody has decided yet. */
  pending(person: AskingPerson, offered: Offered): Promise<AskedAccess | undefined>
  /** Throws `BAD_REQUEST`, `ACCESS_DENIED` and `CONFLICT`, in words for the person, and `AUDIT_UNAVAILABLE`. */
  ask(person: AskingPerson, offered: Offered, wish: AskedWish): Promise<AskedAccess>
}
