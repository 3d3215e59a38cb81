/** Proposals as the API, `--json` and people's lines give them. Times are ISO 8601 in UTC. */

import { isoMinute, isoTime, pastMinute } from '../shared/text/iso-time.ts'
import type { Column } from '../shared/text/table.ts'
import type { Effect } from './effect.ts'
import { actorOf, approvalsNeeded, type ProposedChange } from './proposal.ts'
import type { ProposalDecision } from './proposal-rows.ts'

export function proposalDocument({ id, proposer, reason, changes, askedAt, state }: ProposedChange) {
  return {
    ...{ id, state: state.is, proposedBy: actorOf(proposer), by: proposer.is },
    token: proposer.is === 'token' ? proposer.token : null,
    /** The request for good that it comes of. */
    request: proposer.is === 'request' ? proposer.request : null,
    reason: reason ?? null,
    /** How many resources it changes. */
    changes,
    approvalsNeeded: approvalsNeeded(proposer),
    askedAt: isoTime(askedAt),
    waitsUntil: state.is === 'pending' ? isoTime(state.expiresAt) : null,
    endedAt: state.is === 'pending' ? null : isoTime(state.at),
    endedBy: state.is === 'pending' ? null : state.by,
    words: state.is === 'pending' ? null : (state.words ?? null),
  }
}
export type ProposalDocument = ReturnType<typeof proposalDocument>

export interface ProposalDetails extends ProposalDocument {
  readonly approvers: readonly string[]
  readonly decisions: readonly ReturnType<typeof decisionDocument>[]
  /** What it changes, some lines of `lineCount`; nothing in them is cut. */
  readonly lines: readonly string[]
  readonly lineCount: number
  readonly effect: ReturnType<typeof effectDocument>
  readonly mayDecide: boolean
}

export function decisionDocument({ approver, decision, reason, rule, factors, at }: ProposalDecision) {
  return { approver, decision, reason: reason ?? null, rule, freshFactor: factors !== '', at: isoTime(at) }
}

export function effectDocument({ gives, sessions }: Effect) {
  return {
    gives: [...gives],
    sessions:
      sessions.is === 'not-simulated'
        ? sessions
        : {
            ...sessions,
            since: isoTime(sessions.since),
            until: isoTime(sessions.until),
            listed: sessions.listed.map(one => ({ ...one, startedAt: isoTime(one.startedAt) })),
          },
  }
}

export function proposalText(proposal: ProposalDocument): string {
  return `${proposal.id}: ${changesText(proposal)} proposed by ${proposerText(proposal)}: ${stateText(proposal)}.`
}

function stateText({ state, waitsUntil, words, endedBy }: ProposalDocument): string {
  if (state === 'pending') return `waiting for its decision until ${minuteOf(waitsUntil)}`
  return `${state} by ${endedBy}${words === null ? '' : `: ${words}`}`
}

export const PROPOSAL_COLUMNS: readonly Column<ProposalDocument>[] = [
  { title: 'PROPOSAL', value: one => one.id },
  { title: 'BY', value: proposerText },
  { title: 'STATE', value: one => one.state },
  { title: 'RESOURCES', value: one => String(one.changes), align: 'right' },
  { title: 'PROPOSED', value: one => pastMinute(Date.parse(one.askedAt)), optional: 1 },
  { title: 'REASON', value: one => one.reason ?? '', shrinkTo: 12, optional: 2, unlessEmpty: true },
]

/** All that is to be said of one, but for the lines of what it changes. */
export function proposalFacts(details: ProposalDetails): [string, string | undefined][] {
  return [
    ['proposal', details.id],
    ['proposed by', `${proposerText(details)} at ${pastMinute(Date.parse(details.askedAt))}`],
    ['reason', details.reason ?? undefined],
    ['request', details.request ?? undefined],
    ['state', stateText(details)],
    ['decided by', `${details.approvalsNeeded} of ${details.approvers.join(', ')}`],
    ...details.decisions.map(({ approver, decision, rule, reason, at }): [string, string] => [
      decision === 'approve' ? 'approved' : 'denied',
      `by ${approver} (${rule}) at ${pastMinute(Date.parse(at))}${reason === null ? '' : `: ${reason}`}`,
    ]),
  ]
}

/** What it would have meant, as people read it. */
export function effectLines({ gives, sessions }: ProposalDetails['effect']): string[] {
  const given =
    gives.length === 0 ? ['It gives nobody another account.'] : ['It gives:', ...gives.map(line => `  ${line}`)]
  if (sessions.is === 'not-simulated')
    return [...given, `What it would have meant for sessions is not known: ${sessions.why}`]
  const { count, refused, narrower, notKnown, listed } = sessions
  const more = refused + narrower - listed.length
  return [
    ...given,
    `Of the ${count} ${count === 1 ? 'session' : 'sessions'} of the 30 days before, ${refused} would have been refused, ${narrower} had less, ${notKnown} are not known.`,
    ...listed.map(({ session, user, account, outcome, why }) => `  ${session} ${user} ${account}: ${outcome}, ${why}`),
    ...(more > 0 ? [`  … and ${more} more`] : []),
  ]
}

function changesText({ changes }: ProposalDocument): string {
  return changes === 1 ? '1 resource' : `${changes} resources`
}

function proposerText({ by, proposedBy, token }: ProposalDocument): string {
  switch (by) {
    case 'person':
      return proposedBy
    case 'token':
      return `${proposedBy} (token ${token})`
    case 'owner':
      return 'the owner'
    case 'request':
      return `the gateway for ${proposedBy}`
  }
}

function minuteOf(time: string | null): string {
  return time === null ? '' : isoMinute(Date.parse(time))
}
