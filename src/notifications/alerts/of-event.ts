/** Which audit events somebody is told of, and in which words: the one list of it. */

import type { AuditRow } from '../../audit/chain/chain.ts'
import type { AuditKind } from '../../audit/event.ts'
import type { NotificationKind } from '../kinds.ts'
import type { Link, Recipient } from '../notification.ts'

export interface Alert {
  readonly kind: NotificationKind
  /** What it is about: told again only after a while. Undefined: each time. */
  readonly key?: string
  readonly subject: string
  readonly lines?: readonly string[]
  readonly link?: Link
  readonly to: readonly Recipient[]
}

/** Facts of an event, as text. What a newer gateway wrote, or what was cut for its length, may lack some. */
interface Facts {
  readonly event: AuditRow
  text(key: string): string
  readonly data: Readonly<Record<string, unknown>>
}

const ADMINISTRATORS = { to: ['administrators'] } as const

const account = ({ text }: Facts): Pick<Alert, 'link' | 'to'> => {
  const [name = '', target = ''] = text('account').split('@')
  const path = `/v1/credentials/${encodeURIComponent(target)}/${encodeURIComponent(name)}`
  return { ...ADMINISTRATORS, link: { path, command: `sallyport credential history ${text('account')}` } }
}

const audited = ({ event }: Facts): Pick<Alert, 'link' | 'to'> => ({
  ...ADMINISTRATORS,
  link: {
    path: `/v1/audit?after=${event.seq - 1}&limit=1`,
    command: `sallyport audit list --after ${event.seq - 1} --limit 1`,
  },
})

const session = ({ event }: Facts): Pick<Alert, 'link' | 'to'> => ({
  ...ADMINISTRATORS,
  ...(event.session === null
    ? {}
    : { link: { path: `/v1/sessions/${event.session}`, command: `sallyport session show ${event.session}` } }),
})

/** The lines that have something to say. */
const said = (...lines: readonly [label: string, value: string][]) =>
  lines.filter(([, value]) => value !== '').map(([label, value]) => `${label}: ${value}`)

const seconds = ({ data }: Facts, key: string) =>
  typeof data[key] === 'number' ? `${Math.round(data[key] / 1000)} s` : 'some time'

const listOf = (value: unknown) => (Array.isArray(value) ? value.filter(one => typeof one === 'string') : [])

function rotation(subject: (account: string) => string, kind: NotificationKind = 'alert.rotation-failed') {
  return (facts: Facts): Alert[] => {
    const { text } = facts
    const lines = said(['Why', text('words')], ['Policy', text('policy')], ['Rotation', text('rotation')])
    return [{ kind, key: text('account'), subject: subject(text('account')), lines, ...account(facts) }]
  }
}

const OF_EVENT: Partial<Record<AuditKind, (facts: Facts) => Alert[]>> = {
  'worker.refused': facts => [
    {
      ...{ kind: 'alert.worker-refused', key: facts.text('worker'), ...audited(facts) },
      subject: `The worker ${facts.text('worker')} asked for what no worker asks for: it may be taken over`,
      lines: said(['Request', facts.text('request')], ['Why it was refused', facts.text('why')]),
    },
  ],
  'resources.applied': facts =>
    facts.text('breakGlass') === ''
      ? []
      : [
          {
            ...{ kind: 'alert.break-glass', ...audited(facts) },
            subject: 'The owner changed the rules without a second person',
            lines: said(['Reason', facts.text('breakGlass')], ['Changes', facts.text('changes')]),
          },
        ],
  'doctor.round': facts => {
    const counts = Object.entries((facts.data.counts ?? {}) as Record<string, number>).filter(([, count]) => count > 0)
    if (counts.length === 0) return []
    const all = counts.reduce((sum, [, count]) => sum + count, 0)
    const subject = `Sessions, recordings and audit log do not fit together: ${all} finding${all === 1 ? '' : 's'}`
    const link = { path: '/v1/doctor/round', command: 'sallyport doctor' }
    const lines = counts.map(([code, count]) => `${code}: ${count}`)
    return [{ kind: 'alert.evidence', key: 'round', subject, lines, link, ...ADMINISTRATORS }]
  },
  'recording.tampered': facts => [
    {
      ...{ kind: 'alert.recording-tampered', key: facts.event.session ?? '', ...session(facts) },
      subject: `The recording of the session ${facts.event.session ?? ''} differs from its seal`,
      lines: said(['Why', facts.text('why')], ['File', facts.text('file')]),
    },
  ],
  'audit.head-failed': facts => [
    {
      ...{ kind: 'alert.audit-head', key: facts.text('to'), ...audited(facts) },
      subject: `Heads of the audit log cannot be sent out (${facts.text('to')})`,
      lines: said(['Why', facts.text('reason')]),
    },
  ],
  'rotation.refused': rotation(address => `The target takes no new credential of ${address}`),
  'rotation.backed-out': rotation(address => `The credential of ${address} was not changed`),
  'rotation.postponed': rotation(address => `The rotation of ${address} is held up`),
  'rotation.unknown': rotation(address => `Nothing in the vault logs in to ${address}`, 'alert.account-unknown'),
  'credential.changed-elsewhere': rotation(
    address => `The credential of ${address} was changed elsewhere`,
    'alert.credential-changed',
  ),
  'credential.leaked': facts => [
    {
      ...{ kind: 'alert.credential-leaked', ...account(facts) },
      subject: `${facts.event.actor} says that the credential of ${facts.text('account')} has leaked`,
      lines: said(['Reason', facts.text('reason')]),
    },
  ],
  'dependent.not-told': facts => [
    {
      ...{ kind: 'alert.dependent-not-told', key: `${facts.text('account')} ${facts.text('program')}` },
      ...account(facts),
      subject: `${facts.text('program')} did not take the new credential of ${facts.text('account')}`,
      lines: said(['Why', facts.text('words')]),
    },
  ],
  'target.identity-mismatch': facts => [
    {
      ...{ kind: 'alert.target-identity', key: facts.text('account'), ...session(facts) },
      subject: `The target of ${facts.text('account')} did not prove that it is the one that was confirmed`,
      lines: said(['Session', facts.event.session ?? ''], ['User', facts.event.actor]),
    },
  ],
  'user.locked': facts => {
    const [user, factor, from] = [facts.text('user'), facts.text('factor'), facts.text('at')]
    const lines = said(['From', from], ['Tries', facts.text('tries')])
    const link = { path: `/v1/users/${encodeURIComponent(user)}`, command: `sallyport user show ${user}` }
    return [
      {
        ...{ kind: 'alert.user-locked', key: `${user} ${factor}`, lines, link, ...ADMINISTRATORS },
        subject: `The ${factor} of ${user} is locked after too many failures`,
      },
      {
        ...{ kind: 'login.locked', key: `${user} ${factor}`, lines, to: [{ user }] },
        subject: `Your ${factor} is locked after too many failures`,
      },
    ]
  },
  'factor.changed': facts => [
    {
      ...{ kind: 'login.factor-changed', to: [{ user: facts.text('user') }] },
      subject: `Your ${facts.text('factor')} was ${facts.text('change')} by ${facts.event.actor}`,
    },
  ],
  'personal-token.created': facts => [
    {
      ...{ kind: 'login.token-created', to: [{ user: facts.event.actor }] },
      subject: `A token for the API was made in your name: ${facts.text('name')}`,
      lines: said(
        ['It may', facts.text('scopes')],
        ['Made from', facts.text('source')],
        ['Valid until', facts.text('expiresAt')],
      ),
    },
  ],
  'access-request.attested': facts => {
    const { text, data } = facts
    const result = text('result')
    if (result !== 'left' && result !== 'unknown') return []
    const [left, unknown] = [listOf(data.left), listOf(data.unknown)]
    const what =
      result === 'left' ? 'is over, and something of it is left' : 'is over, and whether all of it is gone is not known'
    const link = { path: `/v1/requests/${text('request')}`, command: `sallyport request show ${text('request')}` }
    const lines = [...left.map(one => `Left: ${one}`), ...unknown.map(one => `Unknown: ${one}`)]
    const subject = `The access of ${text('user')} by the role ${text('role')} ${what}`
    return [{ kind: 'alert.access-left', key: text('request'), subject, lines, link, ...ADMINISTRATORS }]
  },
  'clock.jumped': facts => [
    {
      ...{ kind: 'alert.clock', key: `${facts.event.gateway} jumped`, ...audited(facts) },
      subject: `The clock of a gateway was set by ${seconds(facts, 'byMs')}`,
      lines: said(['Gateway', facts.event.gateway]),
    },
  ],
  'clock.differs': facts => [
    {
      ...{ kind: 'alert.clock', key: `${facts.event.gateway} ${facts.text('reference')}`, ...audited(facts) },
      subject: `The clock of a gateway differs from the ${facts.text('reference')} by ${seconds(facts, 'aheadMs')}`,
      lines: said(['Gateway', facts.event.gateway]),
    },
  ],
  'calendar.unreadable': facts => [
    {
      ...{ kind: 'alert.calendar', key: `${facts.event.gateway} ${facts.text('calendar')}`, ...audited(facts) },
      subject: `The calendar ${facts.text('calendar')} cannot be read: people decide what it would`,
      lines: said(['Why', facts.text('why')], ['Gateway', facts.event.gateway]),
    },
  ],
  'job.given-up': facts => {
    const [job, what] = [facts.text('job'), facts.text('for')]
    // A channel that does not work would tell of itself for ever: `sallyport notification list --failed` and the metrics do.
    if (job.startsWith('notify:')) return []
    const link = {
      path: `/v1/schedule?kind=${encodeURIComponent(job)}`,
      command: `sallyport schedule list --kind ${job}`,
    }
    const subject = `${job} of ${what} was given up after ${facts.text('attempts')} tries`
    const lines = said(['Why', facts.text('why')])
    return [{ kind: 'alert.job', key: `${job} ${what}`, subject, lines, link, ...ADMINISTRATORS }]
  },
}

export const ALERTING_KINDS = Object.keys(OF_EVENT) as AuditKind[]

export function alertsOf(event: AuditRow): Alert[] {
  const data = JSON.parse(event.data) as Record<string, unknown>
  const text = (key: string) => {
    const value = data[key]
    return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
  }
  return OF_EVENT[event.kind as AuditKind]?.({ event, data, text }) ?? []
}
