/** Which routes each scope opens: the one table of it. A route that is not in it does not start, nor does an entry without a route. */

import type { Scope } from '../shared/scopes.ts'

/** One of these scopes; `any-token`: whatever token is valid; `public`: nothing at all. The owner may call them all. */
export type Needed = 'public' | 'any-token' | readonly [Scope, ...Scope[]]

export const ROUTE_SCOPES: Readonly<Record<string, Needed>> = {
  'GET /healthz': 'public',
  'GET /healthz/live': 'public',
  'GET /openapi.json': 'public',
  'GET /metrics': ['read'],
  'GET /v1/ca/host': ['read'],
  'POST /v1/ca/host/rotate': ['administrate'],
  'GET /v1/keys/signing': ['read'],
  'GET /v1/keys/certificate': ['read'],

  'GET /v1/whoami': 'any-token',
  'POST /v1/logout': 'any-token',
  'GET /v1/own/sessions': ['own'],
  'GET /v1/own/sessions/:id': ['own'],
  'GET /v1/own/sessions/:id/events': ['own-replay'],
  'GET /v1/own/targets': ['own'],
  'GET /v1/own/explain': ['own'],
  'GET /v1/own/tokens': ['own'],
  'DELETE /v1/own/tokens/:name': ['own'],
  'GET /v1/own/check-outs': ['own'],
  'POST /v1/own/check-outs/:target/:account': ['own'],
  'POST /v1/own/check-outs/:target/:account/extend': ['own'],
  'POST /v1/own/check-outs/:target/:account/check-in': ['own'],
  'POST /v1/own/check-outs/:target/:account/reveal': ['own'],
  'DELETE /v1/own/check-outs/:target/:account/waiting': ['own'],
  'GET /v1/own/notifications': ['own'],
  'PUT /v1/own/notifications': ['own'],
  // Of which sessions, their roles say: nobody is a moderator by a scope.
  'GET /v1/own/moderated-sessions': ['own'],
  'GET /v1/own/moderated-sessions/:id/follow': ['own'],
  'POST /v1/own/moderated-sessions/:id/watching': ['own'],
  'POST /v1/own/moderated-sessions/:id/end': ['own'],

  // Which of them, the request and the caller say: nobody decides by a scope.
  'GET /v1/request-templates': ['own', 'read'],
  'GET /v1/requests': ['own', 'read', 'revoke-requests'],
  'GET /v1/requests/:id': ['own', 'read', 'revoke-requests'],
  'POST /v1/requests': ['own'],
  'POST /v1/requests/:id/extend': ['own'],
  'POST /v1/requests/:id/approve': ['own'],
  'POST /v1/requests/:id/deny': ['own'],
  'POST /v1/requests/:id/cancel': ['own'],
  'POST /v1/requests/:id/revoke': ['own', 'revoke-requests'],

  // The same; with four eyes nobody decides by a scope either.
  'GET /v1/proposals': ['own', 'read'],
  'GET /v1/proposals/:id': ['own', 'read'],
  'POST /v1/proposals/:id/approve': ['own', 'administrate'],
  'POST /v1/proposals/:id/deny': ['own', 'administrate'],
  'POST /v1/proposals/:id/withdraw': ['own', 'administrate'],

  'GET /v1/check-outs': ['read', 'force-check-in'],
  'GET /v1/check-outs/:id': ['read', 'force-check-in'],
  'POST /v1/check-outs/:id/check-in': ['force-check-in'],

  'GET /v1/sessions': ['read'],
  'GET /v1/sessions/:id': ['read'],
  'POST /v1/sessions/:id/kill': ['operate'],
  'GET /v1/sessions/:id/events': ['audit'],
  'GET /v1/sessions/:id/follow': ['audit'],
  'GET /v1/sessions/:id/recording': ['audit'],
  'GET /v1/sessions/:id/verify': ['audit'],
  'GET /v1/sessions/:id/seal': ['audit'],
  'GET /v1/sessions/:id/revealed': ['reveal'],
  'GET /v1/audit': ['audit'],
  'POST /v1/audit/verify': ['audit'],
  'POST /v1/audit/hashes': ['audit'],
  'GET /v1/audit/sessions': ['audit'],
  'GET /v1/doctor': ['audit'],
  'GET /v1/doctor/round': ['read'],

  'GET /v1/schedule': ['read', 'rotate'],
  // Which of them, the job says: to have it tried again is to have it done.
  'POST /v1/schedule/:id/retry': ['operate', 'rotate'],

  'GET /v1/notifications': ['audit', 'operate'],
  'GET /v1/notifications/channels': ['read'],
  'POST /v1/notifications/test': ['operate'],
  'POST /v1/notifications/:id/retry': ['operate'],

  'GET /v1/explain': ['read'],
  'POST /v1/simulate': ['simulate', 'administrate'],
  'GET /v1/reports/separation': ['audit', 'administrate'],
  'GET /v1/users': ['read'],
  'GET /v1/users/:name': ['read'],
  'POST /v1/users/:name/unlock': ['operate'],
  'PUT /v1/users/:name/password': ['administrate'],
  'POST /v1/users/:name/totp': ['administrate'],
  'DELETE /v1/users/:name/factors/:kind': ['administrate'],
  'GET /v1/roles': ['read'],
  'GET /v1/roles/:name': ['read'],
  'GET /v1/rotation-batches': ['read', 'rotate'],
  'GET /v1/rotation-batches/:id': ['read', 'rotate'],
  'POST /v1/rotation-batches': ['rotate'],
  'POST /v1/rotation-batches/select': ['rotate'],
  'POST /v1/rotation-batches/:id/stop': ['rotate'],
  'GET /v1/calendars': ['read'],
  'GET /v1/review-rules': ['read'],
  'GET /v1/review-rules/:name': ['read'],
  'POST /v1/review-rules/try': ['simulate', 'administrate'],
  'GET /v1/rotation-policies': ['read'],
  'GET /v1/rotation-policies/:name': ['read'],
  'GET /v1/targets': ['read'],
  'GET /v1/targets/:name': ['read'],
  'POST /v1/targets/:name/scan': ['operate'],
  'POST /v1/targets/:name/logins': ['operate'],
  'PUT /v1/targets/:name/host-keys': ['administrate'],
  'POST /v1/resources/apply': ['administrate'],

  'GET /v1/credentials': ['read', 'rotate', 'confirm', 'restore'],
  'GET /v1/credentials/:target/:account': ['read', 'rotate', 'confirm', 'restore'],
  'GET /v1/credentials/:target/:account/standing': ['read', 'rotate', 'confirm', 'restore'],
  'PUT /v1/credentials/:target/:account': ['rotate'],
  'POST /v1/credentials/:target/:account/generate': ['rotate'],
  'POST /v1/credentials/:target/:account/restore': ['restore'],
  'POST /v1/credentials/:target/:account/probe': ['restore'],
  'PUT /v1/credentials/:target/:account/versions/:version/pinned': ['rotate'],
  'POST /v1/credentials/:target/:account/leaked': ['rotate'],
  'POST /v1/credentials/:target/:account/confirm': ['confirm'],
  'POST /v1/credentials/:target/:account/prove': ['confirm'],

  'POST /v1/credentials/:target/:account/rotate': ['rotate'],
  'POST /v1/credentials/:target/:account/verify': ['rotate'],
  'POST /v1/credentials/:target/:account/reconcile': ['rotate'],
  'GET /v1/credentials/status': ['read', 'rotate', 'confirm', 'restore'],
  'GET /v1/rotations': ['read', 'rotate'],

  'GET /v1/tokens': ['administrate'],
  'POST /v1/tokens': ['administrate'],
  'DELETE /v1/tokens/:name': ['administrate'],
  'GET /v1/users/:name/tokens': ['operate', 'administrate'],
  'DELETE /v1/users/:name/tokens/:token': ['operate', 'administrate'],
}

/** Undefined for a route that the table does not have. */
export function neededFor(method: string, path: string): Needed | undefined {
  // What HEAD tells, GET tells too.
  const route = `${method === 'HEAD' ? 'GET' : method} ${path}`
  return Object.hasOwn(ROUTE_SCOPES, route) ? ROUTE_SCOPES[route] : undefined
}
