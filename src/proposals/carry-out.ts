/** Carrying out what was approved: the change of resources and the end of its proposal, in one transaction. */

import type { AuditLog } from '../audit/audit-log.ts'
import type { Database } from '../database/database.ts'
import { type Proposal, proposeResources } from '../resources/apply.ts'
import { applyAndFollow, type FollowParts } from '../resources/apply-and-follow.ts'
import { GatewayError } from '../shared/errors.ts'
import type { Changes } from './change.ts'
import { type Content, deletionsOf, described, isSameChange, movedOn } from './content.ts'
import { eventOf, type ProposalHappening } from './events.ts'
import { actorOf, type ProposedChange } from './proposal.ts'
import { ProposerGone } from './proposer-gone.ts'
import type { Standing } from './standing.ts'

interface Parts extends FollowParts {
  readonly audit: AuditLog
  readonly standing: Pick<Standing, 'checkProposer'>
  readonly changes: Pick<Changes, 'act' | 'changeUnlessOver'>
  readonly count: (what: ProposalHappening) => void
}

/** It does not fit what there is any more. */
class Outdated extends GatewayError {
  constructor(why: string) {
    super('CONFLICT', `The proposal is outdated: ${why} Propose it anew.`)
  }
}

export type CarryOut = ReturnType<typeof createCarryOut>

export function createCarryOut(parts: Parts) {
  const { audit, clock, standing, changes, count } = parts

  /** Throws {@link Outdated}. */
  async function planOf(content: Content): Promise<Proposal> {
    try {
      return await proposeResources(described(content), parts, {
        deletions: deletionsOf(content),
        check: checkOf(content),
      })
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'RESOURCE_INVALID') throw new Outdated(error.message)
      throw error
    }
  }

  /** `before`: the last look, in the transaction. A proposal that fits no more, or whose proposer is gone, ends as outdated. */
  return async (
    proposal: ProposedChange,
    content: Content,
    by: { readonly actor: string; readonly facts: Readonly<Record<string, unknown>> },
    before: (on: Database) => Promise<void> = async () => {},
  ): Promise<ProposedChange> => {
    try {
      const planned = await planOf(content)
      let applied: ProposedChange | undefined
      await applyAndFollow(planned, parts, {
        actor: by.actor,
        facts: { proposal: proposal.id, proposedBy: actorOf(proposal.proposer), ...by.facts },
        deletions: deletionsOf(content),
        check: checkOf(content),
        changeAudited: (_expected, work, eventOf) =>
          work(write =>
            audit.change(
              async on => {
                await standing.checkProposer(proposal, content, on)
                await before(on)
                applied = await changes.act(proposal, { act: 'apply', at: clock.now(), by: by.actor }, by.actor, on)
                return write(on)
              },
              value => eventOf(value as never),
            ),
          ),
      })
      count('applied')
      return applied!
    } catch (error) {
      if (error instanceof Outdated || error instanceof ProposerGone) {
        const why = error.message
        const event = eventOf('proposal.outdated', 'gateway', proposal, { why })
        await changes.changeUnlessOver(proposal, { act: 'outdate', at: clock.now(), by: 'gateway', words: why }, event)
      }
      throw error
    }
  }
}

function checkOf(content: Content): NonNullable<Parameters<typeof proposeResources>[2]>['check'] {
  return (plan, seen) => {
    const moved = movedOn(content, seen)
    if (moved !== undefined) throw new Outdated(`the ${moved.kind} ${moved.name} was changed since.`)
    if (!isSameChange(content, plan)) throw new Outdated('it would change something else by now.')
  }
}
