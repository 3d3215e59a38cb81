/** Ends the sessions of this gateway that a check-out's end, or its beginning, ends: within a second, whichever gateway changed it. */

import { Deadline, type Moment } from '../session/live/deadline.ts'
import { checkOutWarning } from '../session/live/end-words.ts'
import type { LiveSession } from '../session/live/live-sessions.ts'
import { type Clock, elapsed } from '../shared/clock.ts'
import type { Log } from '../shared/log.ts'
import { type AccountAddress, formatAccountAddress, isSameAccount } from '../shared/names.ts'
import { isoMinute } from '../shared/text/iso-time.ts'
import { type CheckOut, isOpen } from './check-out.ts'
import type { CheckOutRows } from './rows.ts'

const EVERY_MS = 1000
/** What ended so long before the last look may have been stored after it. */
const STORED_AFTER_MS = 30_000

interface Parts {
  readonly live: { all(): readonly WatchedSession[] }
  readonly rows: Pick<CheckOutRows, 'openOrEndedSince'>
  readonly onChange: (listener: (address: string) => void) => () => void
  /** The store's, where several gateways share it. */
  readonly clock: Clock
  /** How much that is ahead of the one by which sessions begin, in milliseconds. */
  readonly aheadMs: () => number
  readonly log: Log
}

/** A session, in whichever worker it runs. */
export interface WatchedSession extends Pick<LiveSession, 'grant' | 'startedAt' | 'abort'> {
  /** Whose credentials were lent to it: its own account's, once that is stored, then those that it goes through. */
  readonly accounts: readonly AccountAddress[]
  readonly downstream: { notify(text: string, short?: string): void }
}

/** What is known of a session's check-out, for when the store cannot be asked. */
interface Within {
  readonly checkOut: string
  readonly deadline: Deadline<{ readonly endsAt: number }>
}

export function createCheckOutWatch({ live, rows, onChange, clock, aheadMs, log }: Parts) {
  /** By the sessions' ids, as well as which check-out their people were told of. */
  const deadlines = new Map<string, Within>()
  const told = new Map<string, Set<string>>()
  const moment = (): Moment => ({ time: clock.now(), elapsed: elapsed(clock) })
  let lookedAt = clock.now()
  let running: Promise<void> | undefined
  let again = false

  async function look(): Promise<void> {
    // All of them: whether an account can be checked out its entry may say since a session on it began.
    const watched = live.all()
    const ids = new Set(watched.map(({ grant }) => grant.session))
    for (const known of [deadlines, told]) for (const id of known.keys()) if (!ids.has(id)) known.delete(id)
    if (watched.length === 0) {
      lookedAt = clock.now()
      return
    }
    const targets = [...new Set(watched.flatMap(one => [ownOf(one), ...one.accounts]).map(({ target }) => target))]
    const began = clock.now()
    const found = await rows.openOrEndedSince(targets, lookedAt - STORED_AFTER_MS)
    lookedAt = began
    // Of accounts that are the same login it is too, for sessions of others.
    const byAccount = Map.groupBy(
      found.flatMap(one => [one, ...one.also].map(address => ({ name: formatAccountAddress(address), one }))),
      ({ name }) => name,
    )
    const of = (address: AccountAddress) =>
      (byAccount.get(formatAccountAddress(address)) ?? []).map(({ one }) => ({ address, one }))
    for (const session of watched) {
      const own = ownOf(session)
      const ofOwn = of(own).flatMap(({ one }) => (isSameAccount(one, own) ? [one] : []))
      if (!holderGoesOn(session, ofOwn)) session.abort('check-out-ended')
      else makeRoom(session, session.accounts.flatMap(of))
    }
  }

  /** Whether its check-out, where it has one, is open still. Those that it goes through count for nothing here: a way needs none. */
  function holderGoesOn(session: WatchedSession, own: readonly CheckOut[]): boolean {
    const { user, session: id } = session.grant
    const now = clock.now()
    const mine = own.filter(one => one.user === user)
    const within = deadlines.get(id)?.checkOut
    // Whatever the clock says: it was open, and is not any more.
    const hasEnded = within !== undefined && !mine.some(one => one.id === within && one.state.is === 'open')
    if (hasEnded || mine.some(one => session.startedAt + aheadMs() <= endOf(one, now))) return false
    const open = mine.find(one => one.state.is === 'open')
    const known = deadlines.get(id)
    if (open === undefined) deadlines.delete(id)
    else if (known?.checkOut === open.id) known.deadline.move({ endsAt: open.until }, moment())
    else deadlines.set(id, { checkOut: open.id, deadline: new Deadline({ endsAt: open.until }, moment()) })
    return true
  }

  /** For whoever has one of its accounts alone. */
  function makeRoom(session: WatchedSession, held: readonly { address: AccountAddress; one: CheckOut }[]): void {
    const { grant, abort, downstream } = session
    const { user, session: id } = grant
    const others = held.filter(({ one }) => one.exclusive && one.user !== user && isOpen(one, clock.now()))
    // By `refuse` nobody has it before the sessions of others are over: one that is there all the same had ended for the store.
    if (others.some(({ one }) => one.openSessions !== 'tell')) {
      abort('account-checked-out')
      return
    }
    for (const { address, one } of others) {
      if (told.get(id)?.has(one.id) === true) continue
      told.set(id, (told.get(id) ?? new Set()).add(one.id))
      const what = isSameAccount(address, ownOf(session)) ? 'this account' : formatAccountAddress(address)
      downstream.notify(`Somebody has checked ${what} out until ${isoMinute(one.until)}; this session goes on.`)
    }
  }

  /** Also while the store is away, and where the clock was set back. */
  function passDeadlines(): void {
    const now = moment()
    for (const { grant, abort, downstream } of live.all()) {
      const deadline = deadlines.get(grant.session)?.deadline
      if (deadline === undefined) continue
      const leftMs = deadline.leftMs(now)
      if (leftMs <= 0) abort('check-out-ended')
      // Of what ends the session before that it is warned already.
      else if (deadline.warns(now) && deadline.end.endsAt < grant.endsAt) {
        const { text, short } = checkOutWarning(grant, now.time, leftMs)
        downstream.notify(text, short)
      }
    }
  }

  /** One look at a time, and one more where something changed meanwhile. */
  function lookSoon(): Promise<void> {
    again = true
    running ??= (async () => {
      while (again) {
        again = false
        await look().catch(error => log.warn({ err: error }, 'check-outs could not be read; trying again'))
        passDeadlines()
      }
      running = undefined
    })()
    return running
  }

  const forget = onChange(() => void lookSoon())
  const timer = setInterval(() => void lookSoon(), EVERY_MS).unref()
  return {
    /** Looks now. */
    look: lookSoon,
    close() {
      clearInterval(timer)
      forget()
    },
  }
}

function ownOf({ grant }: WatchedSession): AccountAddress {
  return { account: grant.account.name, target: grant.target.name }
}

/** When nobody had the account by it any more; `-Infinity` while somebody has. */
function endOf({ state, until }: CheckOut, now: number): number {
  if (state.is === 'ended') return state.at
  return now >= until ? until : Number.NEGATIVE_INFINITY
}
