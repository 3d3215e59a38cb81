/** Who is told of proposals: whoever may approve them, by a job that finds them, and whoever proposed one of what became of it. */

import type { NotificationKind } from '../notifications/kinds.ts'
import type { Notify } from '../notifications/notifications.ts'
import type { ProposalHappening } from '../proposals/events.ts'
import type { ProposedChange } from '../proposals/proposal.ts'
import { proposalDocument, proposalText } from '../proposals/proposal-document.ts'
import type { Proposals } from '../proposals/proposals.ts'
import type { JobHandler } from '../schedule/job.ts'
import type { GatewayParts } from './parts.ts'

const TELL = 'proposal.tell-approvers'

/** What whoever proposed it reads. */
const STEPS: Partial<Record<ProposalHappening, readonly [kind: NotificationKind, words: string]>> = {
  applied: ['proposal.decided', 'was approved, and is applied'],
  denied: ['proposal.decided', 'was denied'],
  expired: ['proposal.decided', 'was not decided in time'],
  outdated: ['proposal.decided', 'is outdated'],
}

type Parts = Pick<GatewayParts, 'proposals' | 'notify' | 'schedule' | 'storeClock' | 'channels'>

/** Until what is on `started` is closed. */
export function tellOfProposals(
  { proposals, notify, schedule, storeClock, channels }: Parts,
  started: AsyncDisposableStack,
): void {
  if (channels.length === 0) return
  const forget = proposals.onChange(async ({ what, proposal }, on) => {
    const step = STEPS[what]
    const { proposer } = proposal
    if (step !== undefined && proposer.is !== 'owner') {
      const { words } = proposalDocument(proposal)
      await notify(
        {
          ...{ kind: step[0], subject: `Your proposal ${proposal.id} ${step[1]}`, link: linkTo(proposal) },
          lines: words === null ? [] : [`Why: ${words}`],
          to: [{ user: proposer.user }],
        },
        on,
      )
    }
    if (what === 'made' || what === 'approved-by-one')
      await schedule.plan({ kind: TELL, key: proposal.id, dueAt: storeClock.now(), replace: true }, on)
  })
  started.defer(async () => forget())
}

export function proposalApproversHandler({
  proposals,
  notify,
}: {
  readonly proposals: Pick<Proposals, 'rows' | 'decidersOf'>
  readonly notify: Notify
}): Record<string, JobHandler> {
  return {
    [TELL]: {
      limit: 1,
      async run({ key }) {
        const proposal = await proposals.rows.get(key)
        if (proposal?.state.is !== 'pending') return undefined
        const to = await proposals.decidersOf(proposal)
        const { reason } = proposal
        if (to.length > 0)
          await notify({
            kind: 'proposal.made',
            subject: `A change of the rules waits for you: ${proposalText(proposalDocument(proposal))}`,
            lines: [...(reason === undefined ? [] : [`Reason: ${reason}`]), 'Deciding needs your own login.'],
            link: linkTo(proposal),
            to: to.map(user => ({ user })),
          })
        return undefined
      },
    },
  }
}

function linkTo({ id }: ProposedChange) {
  return { path: `/v1/proposals/${id}`, command: `sallyport proposal show ${id}` }
}
