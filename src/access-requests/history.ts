/** What somebody did before where a request would lead, and what is unusual about it: for those who decide. */

import type { SessionStore } from '../session/records/session-store.ts'
import { networkOf } from '../shared/network/source-network.ts'
import { isoTime } from '../shared/text/iso-time.ts'
import type { RequestedAccess } from './request.ts'

const DAYS = 90
const PERIOD_MS = DAYS * 86_400_000
const MOST_SESSIONS = 1000
const MOST_LAST = 5
/** Of fewer sessions nobody can say at which hours somebody works. */
const FEW = 10
const HOUR_MS = 3_600_000

export interface History {
  /** Of the last 90 days: on these targets, and the latest of them. */
  readonly sessions: number
  readonly last: readonly { readonly id: string; readonly account: string; readonly startedAt: string }[]
  readonly unusual: readonly string[]
}

/** `targets`: the names of those that it opens. */
export async function historyOf(
  sessions: Pick<SessionStore, 'list'>,
  { user, wish, askedAt }: RequestedAccess,
  targets: readonly string[],
): Promise<History> {
  const { all, knowsNetwork, knowsHour } = await pastOf(sessions, { user, wish, askedAt })
  const there = all.filter(({ target }) => targets.includes(target))
  const unusual = [
    ...(there.length > 0 ? [] : [`No session of ${user} there within ${DAYS} days.`]),
    ...(knowsNetwork
      ? []
      : [`It was asked from ${wish.source}: no session of ${user} came from there within ${DAYS} days.`]),
    ...(all.length < FEW || knowsHour
      ? []
      : [`It was asked at an hour at which no session of ${user} began within ${DAYS} days.`]),
  ]
  return {
    sessions: there.length,
    last: there.slice(0, MOST_LAST).map(({ id, account, target, started_at }) => ({
      ...{ id, account: `${account}@${target}` },
      startedAt: isoTime(started_at),
    })),
    unusual,
  }
}

/**
 * The sessions of the last 90 days (the latest thousand), whether one of them came from the network that it was asked from, and whether one
 * began at this hour of the day: of fewer than ten nobody can say.
 */
export async function pastOf(
  sessions: Pick<SessionStore, 'list'>,
  { user, wish, askedAt }: Pick<RequestedAccess, 'user' | 'wish' | 'askedAt'>,
) {
  const all = await sessions.list({ user, since: askedAt - PERIOD_MS, until: askedAt, limit: MOST_SESSIONS })
  return {
    all,
    knowsNetwork: all.some(({ source }) => networkOf(source) === networkOf(wish.source)),
    knowsHour: all.length >= FEW && all.some(({ started_at }) => hourOf(started_at) === hourOf(askedAt)),
  }
}

function hourOf(ms: number): number {
  return Math.floor(ms / HOUR_MS) % 24
}
