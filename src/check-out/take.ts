/** Whether somebody may have an account now: facts in, a verdict out. Nothing here looks anything up or waits. */

import { type AccountAddress, isSameAccount } from '../shared/names.ts'
import type { CheckOutRule } from '../targets/target.ts'
import { type CheckOut, isOpen } from './check-out.ts'

export interface Waiting {
  readonly id: string
  readonly user: string
  readonly askedAt: number
  /** It is their turn until then. */
  readonly offeredUntil: number | undefined
}

/** Of an account, and of the others that are the same login at the same server. */
export interface Standing {
  /** Those that are not written down as ended. */
  readonly open: readonly CheckOut[]
  /** The first is next. */
  readonly queue: readonly Waiting[]
  /** Whose sessions the account is lent to now. */
  readonly inSessions: readonly string[]
}

export interface Wish {
  readonly user: string
  readonly address: AccountAddress
  readonly rule: Pick<CheckOutRule, 'mode' | 'openSessions'>
}

/** Why it cannot be had now. */
export type Obstacle =
  /** Whoever has it for longest. */
  | { readonly why: 'held'; readonly by: CheckOut }
  /** It is free, and somebody else was first to ask. */
  | { readonly why: 'turn'; readonly until: number | undefined }
  | { readonly why: 'sessions'; readonly count: number }

export type Verdict =
  | { readonly may: 'take' }
  | { readonly may: 'wait'; readonly obstacle: Obstacle }
  /** They have it already. */
  | { readonly may: 'keep'; readonly mine: CheckOut }

export function mayTake({ open, queue, inSessions }: Standing, { user, address, rule }: Wish, now: number): Verdict {
  const held = open.filter(one => isOpen(one, now))
  const mine = held.find(one => one.user === user && isSameAccount(one, address))
  if (mine !== undefined) return { may: 'keep', mine }
  const exclusive = rule.mode === 'exclusive'
  const against = held.filter(one => one.user !== user && (exclusive || one.exclusive))
  if (against.length > 0) {
    const by = against.reduce((last, one) => (one.until > last.until ? one : last))
    return { may: 'wait', obstacle: { why: 'held', by } }
  }
  const [next] = queue
  // Who shares it with others takes nobody's turn.
  if (next !== undefined && next.user !== user && held.length === 0) {
    return { may: 'wait', obstacle: { why: 'turn', until: next.offeredUntil } }
  }
  const others = inSessions.filter(one => one !== user)
  if (exclusive && rule.openSessions === 'refuse' && others.length > 0) {
    return { may: 'wait', obstacle: { why: 'sessions', count: others.length } }
  }
  return { may: 'take' }
}

export type Use =
  | { readonly may: 'use'; readonly within: CheckOut | undefined }
  | { readonly may: 'not'; readonly why: 'held'; readonly by: CheckOut }
  | { readonly may: 'not'; readonly why: 'required' }

/**
 * Whether the account may be lent to a session of this user, by what is open of it and of those that are the same login; `asHop`: on the way to
 * another target, by that one's entry.
 */
export function mayUse(
  open: readonly CheckOut[],
  {
    user,
    address,
    required,
    asHop,
  }: { readonly user: string; readonly address: AccountAddress; readonly required: boolean; readonly asHop: boolean },
  now: number,
): Use {
  const held = open.filter(one => isOpen(one, now))
  const by = held.find(one => one.exclusive && one.user !== user)
  if (by !== undefined) return { may: 'not', why: 'held', by }
  const within = held.find(one => one.user === user && isSameAccount(one, address))
  if (required && !asHop && within === undefined) return { may: 'not', why: 'required' }
  return { may: 'use', within }
}
