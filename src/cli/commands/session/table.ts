/** How sessions look: in a table, and one by one. */

import type { Session } from '../../../api/routes/sessions.ts'
import type { Column } from '../../../shared/text/table.ts'
import type { Style } from '../../terminal/terminal.ts'
import { formatBytes, formatDuration, localTime, relativeTime } from '../../terminal/time.ts'

export type StyleText = (how: Style, text: string) => string

export function sessionColumns(now: number, style: StyleText): Column<Session>[] {
  return [
    { title: 'SESSION', value: session => session.id },
    { title: 'USER', value: session => session.user, shrinkTo: 8 },
    { title: 'ACCOUNT', value: session => `${session.account}@${session.target}`, shrinkTo: 12 },
    { title: 'DATABASE', value: session => session.database ?? '', optional: 6, shrinkTo: 8, unlessEmpty: true },
    { title: 'PROTOCOL', value: session => session.protocol, optional: 2 },
    { title: 'FROM', value: session => session.source, optional: 4, shrinkTo: 9 },
    { title: 'STARTED', value: session => relativeTime(session.startedAt, now), align: 'right' },
    { title: 'TOOK', value: session => formatDuration(tookMs(session, now)), align: 'right', optional: 3 },
    {
      title: 'SIZE',
      value: session => (session.state === 'ended' ? formatBytes(session.recording.bytes) : ''),
      align: 'right',
      optional: 5,
    },
    {
      title: 'STATE',
      value: stateOf,
      // As wide as `client-closed`: why a session ended is said before from where it came.
      shrinkTo: 13,
      style: (text, session) => (session.state === 'ended' ? style('dim', text) : style('green', text)),
    },
  ]
}

export function sessionFacts(session: Session, now: number): (readonly [string, string | undefined])[] {
  return [
    ['session', session.id],
    ['user', session.user],
    ['account', `${session.account}@${session.target}`],
    ['role', session.role],
    ['request', session.request ?? undefined],
    ['protocol', session.protocol],
    ['from', session.source],
    ['gateway', session.gateway],
    ['started', `${localTime(session.startedAt)} (${relativeTime(session.startedAt, now)})`],
    ['took', formatDuration(tookMs(session, now))],
    ['state', stateOf(session)],
    ['recording', session.recording.file],
    ['size', session.state === 'ended' ? formatBytes(session.recording.bytes) : undefined],
    ['chain hash', session.recording.hash ?? undefined],
    ...Object.entries(session.details).map(([name, value]) => [name, value] as const),
  ]
}

function stateOf(session: Session): string {
  return session.state === 'ended' ? (session.endReason ?? 'ended') : session.state
}

function tookMs(session: Session, now: number): number {
  return (session.endedAt === null ? now : Date.parse(session.endedAt)) - Date.parse(session.startedAt)
}
