/**
 * Bounds what unauthenticated clients can write into the audit log: refusals are recorded one by one while they are few, and counted while they are a
 * flood. Each minute what was counted becomes one event a network, with how many, since when, and who was tried. What users
 * of this installation are tried for is recorded apart, so that a guess at one of them does not drown.
 */

import type { Clock } from '../shared/clock.ts'
import { messageOf } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import { networkOf } from '../shared/network/source-network.ts'
import { type Bound, Budget } from './budget.ts'
import { Counted } from './counted.ts'
import type { Audit, AuditEvent, AuditKind } from './event.ts'

const WINDOW_MS = 60_000
/** What is recorded one by one in a window: of one network (or session), and of all. */
const BOUNDS: Partial<Record<AuditKind, Bound>> = {
  'login.refused': { each: 20, all: 100 },
  'connection.refused': { each: 10, all: 100 },
  'api.refused': { each: 10, all: 100 },
  'channel.denied': { each: 50, all: 200 },
}
/** Beyond that, of refused logins that named a user: of one, and of all. */
const OF_USERS: Bound = { each: 10, all: 100 }
/** Events that count, of each kind, and as many again for users; what is more is counted in one of `others`. */
const MOST_COUNTED = 20

/** No gateway writes more than this of these kinds in a minute. */
export const MOST_A_MINUTE =
  Object.values(BOUNDS).reduce((sum, { all }) => sum + all + MOST_COUNTED + 1, 0) + OF_USERS.all + MOST_COUNTED + 1

export interface BoundedEvents extends Audit {
  /** Tells what was only counted so far. */
  flush(): Promise<void>
}

export interface BoundedEventsOptions {
  readonly audit: Audit
  readonly clock: Clock
  readonly log: Log
  /** The user whom a login name means, where there is one. */
  readonly userOf: (login: string) => Promise<string | undefined>
}

export function boundEvents({ audit, clock, log, userOf }: BoundedEventsOptions): BoundedEvents {
  const budgets = new Map<AuditKind, Budget>()
  let budgetOfUsers = new Budget(OF_USERS)
  const counted = new Map<string, Counted>()
  let window: NodeJS.Timeout | undefined

  function budgetOf(kind: AuditKind, bound: Bound): Budget {
    const budget = budgets.get(kind) ?? new Budget(bound)
    budgets.set(kind, budget)
    return budget
  }

  function count(event: AuditEvent, about: { from: string } | { user: string }): void {
    const [[what, who]] = Object.entries(about) as [[string, string]]
    const group = `${event.kind} ${what} `
    const full = [...counted.keys()].filter(key => key.startsWith(group)).length >= MOST_COUNTED
    const name = full && !counted.has(group + who) ? 'others' : who
    const entry = counted.get(group + name) ?? new Counted(event, { [what]: name }, clock.now())
    counted.set(group + name, entry)
    entry.add(event, clock.now())
  }

  async function append(event: AuditEvent): Promise<void> {
    const bound = BOUNDS[event.kind]
    if (bound === undefined) return audit.append(event)
    window ??= setTimeout(() => void flush(), WINDOW_MS).unref()
    const from = originOf(event)
    if (budgetOf(event.kind, bound).take(from)) return audit.append(event)
    const login = event.kind === 'login.refused' ? event.data?.login : undefined
    // Where the store cannot be asked, it is counted by its network.
    const user = typeof login === 'string' ? await userOf(login).catch(() => undefined) : undefined
    if (user === undefined) return count(event, { from })
    if (budgetOfUsers.take(user)) return audit.append(event)
    count(event, { user })
  }

  async function flush(): Promise<void> {
    clearTimeout(window)
    window = undefined
    budgets.clear()
    budgetOfUsers = new Budget(OF_USERS)
    const entries = [...counted]
    counted.clear()
    await Promise.all(
      entries.map(async ([key, entry]) => {
        try {
          await audit.append(entry.event())
        } catch (error) {
          // It is not lost: it is recorded with the next window, or stands in the log.
          log.error({ err: messageOf(error), ...entry.event() }, 'refusals that were counted could not be audited yet')
          const since = counted.get(key)
          if (since === undefined) counted.set(key, entry)
          else since.join(entry)
          window ??= setTimeout(() => void flush(), WINDOW_MS).unref()
        }
      }),
    )
  }

  return { append, flush }
}

/** What events of a kind are counted by. */
function originOf({ kind, session, actor, data = {} }: AuditEvent): string {
  if (kind === 'channel.denied') return session ?? actor
  return typeof data.source === 'string' ? networkOf(data.source) : actor
}
