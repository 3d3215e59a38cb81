/** Requests for people, in a sentence, a table or in full. */

import type { RequestDetails } from '../../../access-requests/own-requests.ts'
import { type RequestDocument, wantedText } from '../../../access-requests/request-document.ts'
import { isoMinute } from '../../../check-out/words.ts'
import { printable } from '../../../shared/text/printable.ts'
import type { Column } from '../../../shared/text/table.ts'
import type { Terminal } from '../../terminal/terminal.ts'

export type Details = RequestDetails

/** What has become of it, and what comes next. */
export function sayRequest(request: RequestDocument): string[] {
  return [`${request.id}: ${wantedText(request)} for ${request.for} is ${stateText(request)}.`]
}

export function stateText({ state, endsAt, startsAt, waitsUntil, words }: RequestDocument): string {
  const why = words === null ? '' : `: ${printable(words)}`
  switch (state) {
    case 'pending':
      return `waiting for its decision until ${minuteOf(waitsUntil)}`
    case 'approved':
      return endsAt === null
        ? `approved: its time begins with the first use, until ${minuteOf(waitsUntil)}`
        : `approved from ${minuteOf(startsAt)} until ${minuteOf(endsAt)}`
    case 'active':
      return `yours until ${minuteOf(endsAt)}`
    default:
      return `${state}${why}`
  }
}

export function tableOf(view: 'mine' | 'to-decide' | 'all'): Column<RequestDocument>[] {
  return [
    { title: 'ID', value: one => one.id },
    ...(view === 'mine' ? [] : [{ title: 'USER', value: (one: RequestDocument) => one.user, shrinkTo: 8 }]),
    { title: 'WHAT', value: wantedText, shrinkTo: 12 },
    { title: 'FOR', value: one => one.for },
    { title: 'STATE', value: one => one.state },
    { title: 'UNTIL', value: one => minuteOf(one.endedAt ?? one.endsAt ?? one.waitsUntil) },
    {
      title: 'WHY',
      value: one => [one.ticket, one.reason].filter(text => text !== null).join(' '),
      shrinkTo: 8,
      optional: 1,
    },
  ]
}

export function showRequest(terminal: Terminal, details: Details): void {
  const { asked, history } = details
  terminal.facts([
    ['request', details.id],
    ['user', details.user],
    ['what', wantedText(details)],
    ['kind', details.kind === 'permanent' ? 'for good' : undefined],
    ['more time for', details.extensionOf ?? undefined],
    ['role', `${details.role}, offer ${details.offer}`],
    ['for', details.for === asked.for ? details.for : `${details.for}, of ${asked.for} that were asked for`],
    ['channels', details.channels.join(', ')],
    ['databases', details.databases?.join(', ')],
    ['state', stateText(details)],
    ['reason', details.reason ?? undefined],
    ['ticket', details.ticket ?? undefined],
    ['asked', `${minuteOf(details.askedAt)}, from ${details.source}`],
    ['decided by', details.approvers ?? undefined],
    ['opens', opensText(details)],
  ])
  for (const { approver, decision, reason, rule, at } of details.decisions) {
    const why = reason === null ? '' : `: ${printable(reason)}`
    terminal.line(`${minuteOf(at)}  ${decision === 'approve' ? 'approved' : 'denied'} by ${approver} (${rule})${why}`)
  }
  for (const { id, account, live } of details.sessions)
    terminal.line(`session ${id} on ${account}${live ? ', live' : ''}`)
  if (history === null) return
  terminal.line(`${history.sessions} sessions there within 90 days`)
  for (const { id, account, startedAt } of history.last) terminal.line(`  ${minuteOf(startedAt)}  ${account}  ${id}`)
  for (const text of history.unusual) terminal.line(`unusual: ${printable(text)}`)
}

function opensText({ opens: { accounts, count } }: Details): string {
  if (count === 0) return 'nothing that is there now'
  return `${accounts.join(', ')}${count > accounts.length ? ` and ${count - accounts.length} more` : ''}`
}

function minuteOf(iso: string | null): string {
  return iso === null ? '' : isoMinute(Date.parse(iso))
}
