/** What self-service stands on in a worker: for each login its gateway, which answers for the person of that login alone. */

import { randomBytes } from 'node:crypto'
import { MOST_LISTED } from '../../access-requests/request.ts'
import type { AuditEvent } from '../../audit/event.ts'
import type { ApiAddress } from '../../self-service/command.ts'
import type { RunParts } from '../../self-service/run-command.ts'
import type { Login } from '../../session/run-login.ts'
import type { Clock } from '../../shared/clock.ts'
import { GatewayError } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import type { Metrics } from '../../shared/metrics.ts'
import type { Remote } from '../../shared/rpc.ts'
import { Secret } from '../../shared/secret.ts'
import { secretsOf } from '../../vault/lease.ts'
import type { GatewayMethods } from './gateway-methods.ts'
import { createReceiver } from './handed-credential.ts'

export interface OwnParts {
  readonly gateway: Remote<GatewayMethods>
  readonly apiAddress: ApiAddress | null
  /** No token is valid for longer. */
  readonly tokensMaxAgeMs: number
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

/** Who asks is not passed on: the gateway knows whose login it is. */
export function createOwnParts({ gateway, apiAddress, tokensMaxAgeMs, ...common }: OwnParts) {
  return ({ id }: Pick<Login, 'id'>): RunParts => ({
    ...common,
    apiAddress: async () => apiAddress,
    access: {
      look: (_person, address) => gateway.call('look', id, address),
      reachable: (_person, names, withOffered) => gateway.call('reachable', id, names && [...names], withOffered),
    },
    favourites: {
      of: _user => gateway.call('favourites', id),
      toggle: (_user, address) => gateway.call('toggleFavourite', id, address),
    },
    users: { get: _user => gateway.call('user', id) },
    sessions: {
      list: ({ limit = 100, state } = {}) =>
        gateway.call('sessions', id, { limit, ...(state === undefined ? {} : { state }) }),
    },
    personalAccess: {
      async create(_person, wish) {
        const { text, name, scopes, expiresAt } = await gateway.call('createToken', id, wish)
        return { name, expiresAt, scopes: scopes as Exclude<typeof scopes, 'all'>, text: new Secret(text) }
      },
      list: _user => gateway.call('tokens', id),
      endOf: ({ createdAt, expiresAt }) => Math.min(expiresAt, createdAt + tokensMaxAgeMs),
      revoke: (_user, name) => gateway.call('revokeToken', id, name),
    },
    requestsOf: () => ({
      ask: wish => gateway.call('askAccess', id, wish),
      templates: () => gateway.call('requestTemplates', id),
      extend: (request, wish) => gateway.call('extendRequest', id, request, wish),
      list: (view, page = { limit: MOST_LISTED }) => gateway.call('requests', id, view, page),
      show: request => gateway.call('showRequest', id, request),
      approve: (request, { less = {}, reason }, code) =>
        gateway.call('decideRequest', id, request, { is: 'approve', less, reason }, code?.revealBytes()),
      deny: (request, reason, code) =>
        gateway.call('decideRequest', id, request, { is: 'deny', reason }, code?.revealBytes()),
      cancel: request => gateway.call('endRequest', id, request, { is: 'cancel' }),
      revoke: (request, reason) => gateway.call('endRequest', id, request, { is: 'revoke', reason }),
    }),
    proposalsOf: () => ({
      list: (view, { before, limit }) => gateway.call('proposals', id, view, { before, limit }),
      show: (proposal, { from = 0 } = {}) => gateway.call('showProposal', id, proposal, from),
      approve: (proposal, reason, code) =>
        gateway.call('decideProposal', id, proposal, { is: 'approve', reason }, code?.revealBytes()),
      deny: (proposal, reason, code) =>
        gateway.call('decideProposal', id, proposal, { is: 'deny', reason }, code?.revealBytes()),
      withdraw: proposal => gateway.call('withdrawProposal', id, proposal),
    }),
    checkOutsOf: () => ({
      take: (address, wish) => gateway.call('takeCheckOut', id, address, wish),
      checkIn: address => gateway.call('checkIn', id, address),
      extend: (address, forMs) => gateway.call('extendCheckOut', id, address, forMs),
      list: () => gateway.call('checkOuts', id),
      leaveQueue: address => gateway.call('leaveQueue', id, address),
      proveCode: code => gateway.call('proveCode', id, code.revealBytes()),
      async reveal(wish, code) {
        const receiver = createReceiver()
        const revealed = await gateway.call('revealCheckOut', id, wish, code.revealBytes(), receiver.publicKey)
        const { kind, version, login } = revealed
        const facts = { kind, version, login }
        if ('age' in revealed) return { ...facts, shown: { as: 'age', text: revealed.age } }
        const [text] = secretsOf(receiver.open(revealed.handed))
        return { ...facts, shown: { as: 'text', text: text! } }
      },
    }),
    watchingOf: () => ({
      list: () => gateway.call('watchable', id),
      async watch(session) {
        const watch = randomBytes(16).toString('hex')
        const as = await gateway.call('watch', id, session, watch)
        async function* bytes() {
          for (;;) {
            const chunk = await gateway.call('watchNext', id, watch)
            if (chunk === null) return
            yield Buffer.from(chunk)
          }
        }
        const end = () => gateway.call('endWatched', id, watch)
        return { as, bytes: bytes(), end, leave: () => gateway.notify('leaveWatched', id, watch) }
      },
    }),
    notificationsOf: () => ({
      list: () => gateway.call('notificationChoices', id),
      choose: choice => gateway.call('chooseNotification', id, choice),
    }),
    audit: {
      append({ kind, data = {} }: AuditEvent) {
        if (kind !== 'self-service.opened' && kind !== 'self-service.command')
          throw new GatewayError('INTERNAL', `A login without a target has no event ${kind}.`)
        return gateway.call('selfService', id, kind, data as Record<string, string>)
      },
    },
  })
}
