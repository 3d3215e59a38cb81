/** An access request: what somebody asks for beyond what their roles give outright, its states, and what may happen in each. */

import type { Role } from '../policy/role.ts'
import type { Channel } from '../protocols/registered.ts'
import { GatewayError } from '../shared/errors.ts'
import type { Review } from './review/evaluate.ts'

export const REQUEST_STATES = [
  'pending',
  'approved',
  'active',
  'denied',
  'expired',
  'cancelled',
  'ended',
  'revoked',
] as const
export type RequestStateName = (typeof REQUEST_STATES)[number]

/** Those in which something can still become of it. */
export const OPEN_STATES = ['pending', 'approved', 'active'] as const satisfies readonly RequestStateName[]

/** So many at once in a list, where nobody says how many. */
export const MOST_LISTED = 100

/** What is asked for, or given: never more than was asked for. */
export interface AskedAccess {
  /** By their names. In requests of earlier versions also by patterns and labels. */
  readonly targets: Role['targets']
  /** What these were chosen by, where it was not by name; for people to read. */
  readonly chosenBy?: Role['targets'] | undefined
  readonly accounts: Role['accounts']
  /** Where these are of several targets, by a level: those that it opened when it was asked, as `root@web-01`. It opens no others. */
  readonly opens?: readonly string[] | undefined
  readonly channels: readonly Channel[]
  /** Not given: those of the role. */
  readonly databases?: readonly string[] | undefined
  readonly lengthMs: number
  /** Milliseconds since the epoch, as all times here; not given: at once. */
  readonly startsAt?: number | undefined
}

/** With what is said of it, and how. */
export interface RequestWish extends AskedAccess {
  readonly reason?: string | undefined
  readonly ticket?: string | undefined
  /** The request template that filled it in. */
  readonly template?: string | undefined
  /** The address that it was asked from. */
  readonly source: string
  /** As the offer said when it was asked for. */
  readonly clock: 'approval' | 'first-use'
}

export interface RequestedAccess {
  /** `req_…` */
  readonly id: string
  /** `permanent`: the wish that a role be changed; it gives nothing by itself. */
  readonly kind: 'access' | 'permanent'
  readonly user: string
  readonly role: string
  /** By `offerName` of the policy. */
  readonly offer: string
  readonly wish: RequestWish
  /** The request that gets more time by it. */
  readonly extensionOf: string | undefined
  readonly askedAt: number
  /** What the review rules said when it was asked. */
  readonly review?: Review | undefined
  /** Grows with every change. */
  readonly revision: number
  readonly state: RequestState
  /** Why it gives nothing any more, whatever its state says: something that it rests on was gone, if only for a moment. */
  readonly withdrawn?: string | undefined
}

export type RequestState =
  /** Waits for the step `stage` of its approval. */
  | {
      readonly is: 'pending'
      readonly stage: number
      readonly stageSince: number
      readonly expiresAt: number
      /** What is left of the wish: an approver may give less. */
      readonly given: AskedAccess
    }
  /** Not begun: it begins at a time, or with the first use. */
  | {
      readonly is: 'approved'
      readonly given: AskedAccess
      readonly startsAt: number
      readonly begins:
        | { readonly with: 'time'; readonly endsAt: number }
        | { readonly with: 'first-use'; readonly useBy: number }
    }
  | { readonly is: 'active'; readonly given: AskedAccess; readonly startsAt: number; readonly endsAt: number }
  | {
      readonly is: 'denied' | 'expired' | 'cancelled' | 'ended' | 'revoked'
      /** What had been approved. */
      readonly given: AskedAccess | undefined
      readonly startsAt: number | undefined
      readonly endsAt: number | undefined
      readonly at: number
      readonly by: string
      readonly words: string | undefined
    }

export function isOpen({ state }: RequestedAccess): boolean {
  return OPEN_STATES.some(open => open === state.is)
}

export function stateWords({ state, withdrawn }: RequestedAccess): string {
  if (withdrawn !== undefined) return `over: ${withdrawn}`
  return state.is === 'pending' ? 'waiting for its decision' : state.is
}

/** What a person sees of one that they may not know of. */
export function unknownRequest(): GatewayError {
  return new GatewayError('NOT_FOUND', 'There is no such request that you may see.')
}
