/** What somebody may be told of: a closed set of kinds. A new one is a line here, and a row in docs/notifications.md. */

/** Of people: what concerns them alone, or what they may decide. */
const FOR_PEOPLE = {
  'request.asked': 'somebody asks for access that you may approve',
  'request.escalated': 'a request that nobody decided in time: one that has come to you, or one of yours',
  'request.nobody-told': 'nobody who may approve your request is told of it: they chose not to be, or there is nobody',
  'request.decided': 'a request that you were asked about was decided by somebody else, or withdrawn',
  'request.approved': 'your request was approved, wholly or by one of several',
  'request.denied': 'your request was denied',
  'request.expired': 'your request was not decided, or not used, in time',
  'request.started': 'the access that you asked for has begun',
  'request.ends-soon': 'the access that you asked for ends soon',
  'request.ended': 'the access that you asked for has ended',
  'request.revoked': 'the access that you asked for was taken away',
  'proposal.made': 'a change of the rules waits for your approval',
  'proposal.decided': 'a change that you proposed was applied, denied, not decided in time, or is outdated',
  'session.moderator-wanted': 'a session waits for somebody who watches it, and you may',
  'login.locked': 'one of your factors was locked after too many failures',
  'login.token-created': 'a token for the API was made in your name',
  'login.factor-changed': 'one of your factors was changed',
  'login.notifications-off': 'what concerns your login is no longer told to you',
} as const

/** Of administrators: what needs somebody to look at it. */
const ALERTS = {
  'alert.break-glass': 'the owner changed the rules without a second person',
  'alert.worker-refused': 'a worker asked for what no worker asks for: it may be taken over',
  'alert.evidence': 'sessions, recordings and audit log do not fit together',
  'alert.recording-tampered': 'a recording differs from its seal',
  'alert.audit-head': 'the heads of the audit log cannot be sent out',
  'alert.rotation-failed': 'the credential of an account could not be changed',
  'alert.rotation-overdue': 'the credential of an account should have been changed, and was not',
  'alert.account-unknown': 'nothing in the vault logs in to an account',
  'alert.credential-changed': 'the credential of an account was changed elsewhere',
  'alert.credential-leaked': 'somebody said that a credential has leaked',
  'alert.dependent-not-told': 'a program did not take the new credential of an account',
  'alert.target-identity': 'a target did not prove that it is the one that was confirmed',
  'alert.user-locked': 'a factor of a user was locked after too many failures',
  'alert.access-left': 'access that was given for a time is over, and something of it is left, or nobody knows',
  'alert.clock': 'the clock of a gateway was set, or differs from others',
  'alert.calendar': 'a calendar of who is on call cannot be read',
  'alert.job': 'something that happens by itself was given up',
  'notification.test': 'somebody wants to see whether notifications arrive',
} as const

export const PERSONAL_KINDS: Readonly<Record<PersonalKind, string>> = FOR_PEOPLE
export const NOTIFICATION_KINDS: Readonly<Record<NotificationKind, string>> = { ...FOR_PEOPLE, ...ALERTS }

type PersonalKind = keyof typeof FOR_PEOPLE
type AlertKind = keyof typeof ALERTS
export type NotificationKind = PersonalKind | AlertKind

/** A kind, all of a group (`alert.*`), or `*`: all. */
export function isKindPattern(text: string): boolean {
  return text === '*' || kindPatterns().includes(text)
}

export function kindPatterns(): string[] {
  const kinds = Object.keys(NOTIFICATION_KINDS)
  return [...new Set(kinds.map(groupOf)), ...kinds]
}

export function matchesKind(pattern: string, kind: string): boolean {
  return pattern === '*' || pattern === kind || pattern === groupOf(kind)
}

/** `request.asked`: `request.*`. */
export function groupOf(kind: string): string {
  return `${kind.split('.')[0]}.*`
}
