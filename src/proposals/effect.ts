/** What a proposal would have meant for recorded sessions, and what it gives: looked up once, when it is made. */

import type { Proposal } from '../resources/apply.ts'
import { type SimulateParts, simulate } from '../resources/simulate.ts'
import type { WithPermit } from '../shared/concurrency/semaphore.ts'
import { messageOf } from '../shared/errors.ts'
import type { Content } from './content.ts'
import { givesTo } from './gives.ts'

export interface RefusedSession {
  readonly session: string
  readonly user: string
  readonly account: string
  readonly startedAt: number
  readonly outcome: 'refused' | 'narrower'
  readonly why: string
}

export interface Effect {
  /** Lines: who gets what. */
  readonly gives: readonly string[]
  /** Of the 30 days before it was made. */
  readonly sessions:
    | {
        readonly is: 'simulated'
        readonly since: number
        readonly until: number
        readonly count: number
        readonly refused: number
        readonly narrower: number
        readonly notKnown: number
        readonly listed: readonly RefusedSession[]
      }
    | { readonly is: 'not-simulated'; readonly why: string }
}

const DAYS_30_MS = 30 * 86_400_000
const MOST_LISTED = 20

/** Never throws: what cannot be told says so. */
export async function effectOf(
  proposal: Proposal,
  content: Content,
  { oneAtATime, ...parts }: SimulateParts & { readonly oneAtATime: WithPermit },
  now: number,
): Promise<Effect> {
  const gives = givesTo(content, proposal.planned.seen)
  const window = { since: now - DAYS_30_MS, until: now, limit: MOST_LISTED }
  try {
    const { sessions: count, counts, listed } = await oneAtATime(() => simulate(proposal, parts, window))
    return {
      gives,
      sessions: {
        ...{ is: 'simulated', since: window.since, until: window.until, count },
        ...{ refused: counts.refused, narrower: counts.narrower, notKnown: counts['not-known'] },
        listed: listed.flatMap(({ session, outcome }) => {
          if (outcome.is !== 'refused' && outcome.is !== 'narrower') return []
          const { id, user, account, target, startedAt } = session
          const why =
            outcome.is === 'refused' ? outcome.why() : `without ${outcome.channels.join(', ') || 'all of its time'}`
          return [{ session: id, user, account: `${account}@${target}`, startedAt, outcome: outcome.is, why }]
        }),
      },
    }
  } catch (error) {
    return { gives, sessions: { is: 'not-simulated', why: messageOf(error) } }
  }
}
