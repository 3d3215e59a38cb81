/** Requests as people read them, in a sentence or in facts. */

import { isoMinute, pastMinute } from '../shared/text/iso-time.ts'
import type { Column } from '../shared/text/table.ts'
import { attestationText } from './attest/attestation.ts'
import type { Foreseen } from './foresee.ts'
import type { RequestDetails } from './own-requests.ts'
import { type RequestDocument, wantedText } from './request-document.ts'

/** What has become of it, and what comes next. Names that others typed are not made safe to show here. */
export function requestText(request: RequestDocument): string {
  const from = request.state === 'pending' && request.startsAt !== null ? ` from ${minuteOf(request.startsAt)}` : ''
  return `${request.id}: ${wantedText(request)} for ${request.for}${from} is ${stateText(request)}.`
}

export function stateText({ state, endsAt, startsAt, waitsUntil, words }: RequestDocument): string {
  switch (state) {
    case 'pending':
      return `waiting for its decision until ${minuteOf(waitsUntil)}`
    case 'approved':
      return endsAt === null
        ? `approved: its time begins with the first use, until ${minuteOf(waitsUntil)}`
        : `approved from ${minuteOf(startsAt)} until ${minuteOf(endsAt)}`
    case 'active':
      return `active until ${minuteOf(endsAt)}`
    default:
      return `${state}${words === null ? '' : `: ${words}`}`
  }
}

/** All that is to be said of one, for somebody who decides or has asked. */
function reviewText({ outcome, rule, why }: NonNullable<RequestDetails['review']>): string {
  const what = { approve: 'approved at once', deny: 'denied at once', ask: 'left to people' }[outcome]
  return `${what}${rule === null ? '' : ` by the rule ${rule}`}: ${why}`
}

export function requestFacts(details: RequestDetails): [string, string | undefined][] {
  const { asked, opens, history } = details
  const more = opens.count > opens.accounts.length ? ` and ${opens.count - opens.accounts.length} more` : ''
  return [
    ['request', details.id],
    ['user', details.user],
    ['what', wantedText(details)],
    ['kind', details.kind === 'permanent' ? 'for good' : undefined],
    ['more time for', details.extensionOf ?? undefined],
    ['role', `${details.role}, offer ${details.offer}`],
    ['for', details.for === asked.for ? details.for : `${details.for}, of ${asked.for} that were asked for`],
    ['begins', beginsText(details)],
    ['channels', details.channels.join(', ')],
    ['databases', details.databases?.join(', ')],
    ['state', stateText(details)],
    ['template', details.template ?? undefined],
    ['reason', details.reason ?? undefined],
    ['proposal', details.proposal ?? undefined],
    ['ticket', details.ticket ?? undefined],
    ['asked', `${pastMinute(Date.parse(details.askedAt))}, from ${details.source}`],
    ['reviewed', details.review === null ? undefined : reviewText(details.review)],
    ...(details.review?.outside ?? []).map((words): [string, string] => ['', words]),
    ['decided by', details.approvers ?? undefined],
    ['', details.deciders === null ? undefined : decidersText(details.deciders)],
    ['opens', opens.count === 0 ? 'nothing that is there now' : `${opens.accounts.join(', ')}${more}`],
    ...details.decisions.map(({ approver, decision, rule, reason, at }): [string, string] => [
      decision === 'approve' ? 'approved' : 'denied',
      `by ${approver} (${rule}) at ${pastMinute(Date.parse(at))}${reason === null ? '' : `: ${reason}`}`,
    ]),
    ...details.sessions.map(({ id, account, live }): [string, string] => [
      'session',
      `${id} on ${account}${live ? ', live' : ''}`,
    ]),
    ['afterwards', details.attestation === null ? undefined : attestationText(details.attestation)],
    [
      'before',
      history === null
        ? undefined
        : `${history.sessions} ${history.sessions === 1 ? 'session' : 'sessions'} there within 90 days`,
    ],
    ...(history?.last ?? []).map(({ id, account, startedAt }): [string, string] => [
      '',
      `${pastMinute(Date.parse(startedAt))} ${account} ${id}`,
    ]),
    ...(history?.unusual ?? []).map((text): [string, string] => ['unusual', text]),
  ]
}

/** Of one that waits for its decision. */
function beginsText({ kind, state, clock, startsAt }: RequestDetails): string | undefined {
  if (state !== 'pending' || kind === 'permanent') return undefined
  const from = startsAt === null ? undefined : minuteOf(startsAt)
  if (clock === 'first-use')
    return `with its first use, ${from === undefined ? 'once it is approved' : `from ${from} on`}`
  return from === undefined ? 'once it is approved' : `${from}, or when it is approved, if that is later`
}

function decidersText({ names, more }: NonNullable<RequestDetails['deciders']>): string {
  if (names.length === 0) return 'nobody may at this moment'
  return `now: ${names.join(', ')}${more ? ' and others' : ''}`
}

/** `role:leads: lee, mia`: whom an offer names, and who that is now. */
export function approversText({ words, names, count }: NonNullable<Foreseen['approvers']>): string {
  const more = count > names.length ? ` and ${count - names.length} more` : ''
  return `asked: ${words}: ${count === 0 ? 'nobody there is now' : `${names.join(', ')}${more}`}`
}

/** When it ended, or is over at the latest. */
function untilText({ endedAt, endsAt, waitsUntil }: RequestDocument): string {
  return endedAt === null ? minuteOf(endsAt ?? waitsUntil) : pastMinute(Date.parse(endedAt))
}

function minuteOf(iso: string | null): string {
  return iso === null ? '' : isoMinute(Date.parse(iso))
}

/** `others`: of several people. */
export function requestColumns(others: boolean): Column<RequestDocument>[] {
  return [
    { title: 'ID', value: one => one.id },
    ...(others ? [{ title: 'USER', value: (one: RequestDocument) => one.user, shrinkTo: 8 }] : []),
    { title: 'WHAT', value: wantedText, shrinkTo: 12 },
    { title: 'FOR', value: one => one.for },
    { title: 'STATE', value: one => one.state },
    { title: 'UNTIL', value: untilText },
    {
      title: 'WHY',
      value: one => [one.ticket, one.reason].filter(text => text !== null).join(' '),
      shrinkTo: 8,
      optional: 1,
    },
  ]
}
