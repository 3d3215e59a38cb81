/** What a caller of the API may do: scopes, each apart from the others. `api/route-scopes.ts` says which routes each opens. */

export const SCOPES = [
  'own',
  'own-replay',
  'read',
  'audit',
  'operate',
  'administrate',
  'rotate',
  'confirm',
  'reveal',
  'restore',
  'force-check-in',
  'simulate',
  'revoke-requests',
] as const
export type Scope = (typeof SCOPES)[number]

export const SCOPE_MEANINGS: Readonly<Record<Scope, string>> = {
  own: "sees one's own sessions, targets and tokens; explains one's own access; revokes one's own tokens; checks accounts out; asks for access, and decides on what others ask for",
  'own-replay': "replays and exports the recordings of one's own sessions",
  read: "sees sessions, users, roles, targets, credentials' versions; explains; reads metrics",
  audit: 'as read; replays, exports, follows, verifies recordings; reads the audit log; asks the doctor',
  operate: 'as read; kills sessions; ends lockouts; asks targets for their keys and logins',
  administrate: "as read; applies resources; changes users' factors; pins host keys; makes and revokes tokens",
  rotate: 'stores new versions of credentials; has credentials rotated, verified and reconciled',
  confirm: 'confirms where a credential may be sent',
  reveal: 'reads recordings with what they hide',
  restore: 'puts an earlier version of a credential in force again',
  'force-check-in': 'ends the check-outs of others',
  simulate:
    'sees what a change of roles, users and targets would have meant for recorded sessions, and of review rules for requests',
  'revoke-requests': 'sees what people asked for, and takes away what was approved',
}

/** What every user has. */
export const OWN: ReadonlySet<Scope> = new Set(['own'])

/** What a role may give (`api:`). */
export const GRANTABLE = SCOPES.filter(scope => scope !== 'own')

/** Whoever acts on all sessions, or on users and targets, must be able to see them. */
const INCLUDED: Partial<Record<Scope, Scope>> = { audit: 'read', operate: 'read', administrate: 'read' }

/** The scopes of versions before these, one to a token: such a token may do what it always might, and nothing more. */
export const EARLIER_SCOPES = {
  read: ['read'],
  auditor: ['read', 'audit'],
  revealer: ['read', 'audit', 'reveal'],
  admin: ['read', 'audit', 'operate', 'administrate', 'rotate'],
  credentials: ['read', 'rotate', 'confirm'],
} as const satisfies Record<string, readonly Scope[]>
export type EarlierScope = keyof typeof EARLIER_SCOPES

export const EVERY_SCOPE: ReadonlySet<Scope> = new Set(SCOPES)

/** With what they include. */
export function withIncluded(scopes: Iterable<Scope>): ReadonlySet<Scope> {
  return new Set([...scopes].flatMap(scope => [scope, INCLUDED[scope] ?? scope]))
}

/** What somebody who has `held` may not hand on. Who may replay all recordings may let others replay their own. */
export function beyond(wanted: ReadonlySet<Scope>, held: ReadonlySet<Scope>): ReadonlySet<Scope> {
  const missing = new Set(wanted.difference(held))
  if (held.has('audit')) missing.delete('own-replay')
  return missing
}

/** Of a token's text in the store: an earlier scope, or scopes with commas between them. Undefined for anything else. */
export function parseScopes(text: string): ReadonlySet<Scope> | undefined {
  if (Object.hasOwn(EARLIER_SCOPES, text)) return new Set(EARLIER_SCOPES[text as EarlierScope])
  const words = text.split(',')
  return words.every(isScope) ? withIncluded(words) : undefined
}

/** In the order of the list, each once; what one includes is not said again. */
export function formatScopes(scopes: Iterable<Scope>): string {
  const all = new Set(scopes)
  const said = SCOPES.filter(scope => all.has(scope) && !(scope === 'read' && [...all].some(one => INCLUDED[one])))
  return said.join(',')
}

export function isScope(word: string): word is Scope {
  return (SCOPES as readonly string[]).includes(word)
}
