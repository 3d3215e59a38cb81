/** A check-out: an account that a person has for a time. Its states, and what may happen in each. */

import type { Factor } from '../shared/factors.ts'
import type { AccountAddress } from '../shared/names.ts'
import { isoTime } from '../shared/text/iso-time.ts'
import type { CheckOutWay } from '../shared/vocabulary.ts'
import type { CheckOutRule } from '../targets/target.ts'

export type CheckOutEnd = 'returned' | 'time-over' | 'forced' | 'access-withdrawn'

export interface CheckOut extends AccountAddress {
  /** `cho_…` */
  readonly id: string
  readonly user: string
  /** The other accounts that are the same login at the same server, when it began: whoever has this one has those. */
  readonly also: readonly AccountAddress[]
  /** Nobody else may have it, nor sessions on it. */
  readonly exclusive: boolean
  readonly way: CheckOutWay
  /** What becomes of others' sessions that were open when it began. */
  readonly openSessions: CheckOutRule['openSessions']
  /** The approved request by which it began. */
  readonly request?: string | undefined
  readonly reason: string | undefined
  readonly ticket: string | undefined
  /** What it was decided by, and is decided by anew. */
  readonly source: string
  readonly proven: ReadonlySet<Factor>
  readonly gateway: string
  /** Milliseconds since the epoch, as all times here. */
  readonly startedAt: number
  readonly until: number
  /** When its credential was shown. */
  readonly revealedAt: number | undefined
  readonly state: CheckOutState
}

export type CheckOutState =
  | { readonly is: 'open' }
  | { readonly is: 'ended'; readonly at: number; readonly reason: CheckOutEnd; readonly by: string }

export type CheckOutAct =
  | { readonly act: 'extend'; readonly until: number }
  | { readonly act: 'reveal'; readonly at: number }
  | { readonly act: 'end'; readonly at: number; readonly reason: CheckOutEnd; readonly by: string }

/** Over in time, be it written down already or not: nobody has the account any longer by it. */
export function isOpen({ state, until }: Pick<CheckOut, 'state' | 'until'>, now: number): boolean {
  return state.is === 'open' && now < until
}

/** What becomes of it; undefined where that cannot happen to it any more. */
export function after(checkOut: CheckOut, act: CheckOutAct): CheckOut | undefined {
  if (checkOut.state.is === 'ended') return undefined
  switch (act.act) {
    case 'extend':
      return act.until > checkOut.until ? { ...checkOut, until: act.until } : undefined
    case 'reveal':
      if (checkOut.way !== 'reveal' || !isOpen(checkOut, act.at)) return undefined
      return { ...checkOut, revealedAt: checkOut.revealedAt ?? act.at }
    case 'end': {
      const { reason, by } = act
      // Nobody had it for longer, whenever that is noticed; nor shorter than not at all, where the clock was set back.
      const at = Math.max(checkOut.startedAt, Math.min(act.at, checkOut.until))
      return { ...checkOut, state: { is: 'ended', at, reason, by } }
    }
  }
}

/** As the API, `--json` and people's tables give it. Times are ISO 8601 in UTC. */
export function checkOutDocument(checkOut: CheckOut) {
  const { id, user, account, target, exclusive, way, reason, ticket, source, startedAt, until, revealedAt } = checkOut
  const { state } = checkOut
  return {
    ...{ id, user, account, target, mode: exclusive ? ('exclusive' as const) : ('shared' as const), way },
    reason: reason ?? null,
    ticket: ticket ?? null,
    source,
    startedAt: isoTime(startedAt),
    until: isoTime(until),
    revealedAt: revealedAt === undefined ? null : isoTime(revealedAt),
    endedAt: state.is === 'open' ? null : isoTime(state.at),
    endReason: state.is === 'open' ? null : state.reason,
    endedBy: state.is === 'open' ? null : state.by,
  }
}
export type CheckOutDocument = ReturnType<typeof checkOutDocument>

/** Of one's own: that of the account whose credential is still to be shown, since the code was wrong, say. */
export function notYetShown(
  checkOuts: readonly CheckOutDocument[],
  { account, target }: AccountAddress,
): CheckOutDocument | undefined {
  return checkOuts.find(
    one =>
      one.account === account &&
      one.target === target &&
      one.way === 'reveal' &&
      one.endedAt === null &&
      one.revealedAt === null,
  )
}
