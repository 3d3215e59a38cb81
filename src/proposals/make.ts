/** Making a proposal of a planned change of resources. */

import type { AuditLog } from '../audit/audit-log.ts'
import type { FourEyes } from '../config/four-eyes.ts'
import type { Database } from '../database/database.ts'
import { checkText } from '../policy/wish-words.ts'
import type { Proposal } from '../resources/apply.ts'
import { auditedLines } from '../resources/apply-and-follow.ts'
import type { SimulateParts } from '../resources/simulate.ts'
import { openStores } from '../resources/stores.ts'
import type { Clock } from '../shared/clock.ts'
import { createSemaphore } from '../shared/concurrency/semaphore.ts'
import { GatewayError } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import type { Changes } from './change.ts'
import { contentOf, digestOf } from './content.ts'
import { effectOf } from './effect.ts'
import { eventOf, type ProposalHappening } from './events.ts'
import { actorOf, isSameProposer, type ProposedChange, type Proposer } from './proposal.ts'
import type { ProposalRows } from './proposal-rows.ts'
import type { Standing } from './standing.ts'

export interface ProposalJobs {
  /** It expires then. */
  dueAt(id: string, at: number, on: Database): Promise<void>
}

interface Parts extends Omit<SimulateParts, 'stores'> {
  readonly database: Database
  readonly rows: Pick<ProposalRows, 'pending' | 'insert'>
  readonly audit: Pick<AuditLog, 'change'>
  readonly standing: Pick<Standing, 'checkApprovable'>
  readonly changes: Pick<Changes, 'tell'>
  readonly fourEyes: FourEyes | undefined
  readonly clock: Clock
  readonly jobs: ProposalJobs
  readonly count: (what: ProposalHappening) => void
}

/** Where four eyes are not asked for, what the gateway proposes waits as long. */
const WAITS_MS = 7 * 86_400_000
const MOST_PENDING = 100
const MOST_OF_ONE = 20
const MOST_WAITING = 4

interface Why {
  readonly reason?: string | undefined
  readonly session?: string
}

export function createMake(parts: Parts) {
  const { rows, audit, standing, changes, fourEyes, jobs, clock, count } = parts
  const waitsMs = fourEyes?.validForMs ?? WAITS_MS
  const oneAtATime = createSemaphore(1, MOST_WAITING)

  /** The same change by the same proposer, while it waits, is one proposal. Throws `CONFLICT` where nobody could approve it. */
  return async (
    planned: Proposal,
    proposer: Proposer,
    { reason: given, session }: Why = {},
  ): Promise<ProposedChange> => {
    const reason = checkText('reason', given)
    const content = contentOf(planned.planned)
    const digest = digestOf(content)
    const same = (one: ProposedChange) => one.digest === digest && isSameProposer(one.proposer, proposer)
    const known = (await rows.pending()).find(same)
    if (known !== undefined) return known
    const now = clock.now()
    const proposal: ProposedChange = {
      ...{ id: newId('prp', now), proposer, reason, digest, changes: content.changes.length },
      ...{ askedAt: now, revision: 1, withdrawn: false },
      state: { is: 'pending', expiresAt: now + waitsMs },
    }
    if (fourEyes !== undefined) await standing.checkApprovable(proposal, content, fourEyes)
    const effect = await effectOf(planned, content, { ...parts, stores: openStores(parts), oneAtATime }, now)
    const actor = actorOf(proposer)
    const event = eventOf('proposal.made', actor, proposal, {
      ...(session === undefined ? {} : { session }),
      ...(reason === undefined ? {} : { reason }),
      changes: auditedLines(planned.planned.plan),
    })
    const twin = await audit.change(
      async on => {
        const pending = await rows.pending(on)
        const twin = pending.find(same)
        if (twin !== undefined) return twin
        checkRoom(pending, proposer)
        await rows.insert(proposal, content, effect, on)
        await jobs.dueAt(proposal.id, now + waitsMs, on)
        await changes.tell('made', proposal, actor, on)
        return undefined
      },
      // One that is there already is proposed once more: that is said, too.
      twin => (twin === undefined ? event : eventOf('proposal.made', actor, twin, { again: true })),
    )
    if (twin !== undefined) return twin
    count('made')
    return proposal
  }
}

/** Throws `CONFLICT` where too many wait. */
function checkRoom(pending: readonly ProposedChange[], proposer: Proposer): void {
  if (proposer.is === 'request') return
  const own = pending.filter(one => isSameProposer(one.proposer, proposer)).length
  if (own >= MOST_OF_ONE || pending.length >= MOST_PENDING)
    throw new GatewayError(
      'CONFLICT',
      `${own} proposals of yours wait, of ${pending.length}: have them decided, or withdraw some.`,
    )
}
