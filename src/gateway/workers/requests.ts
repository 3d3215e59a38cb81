/**
 * The one table of what a worker may ask of its gateway: with which values, when in the life of a session, and how often. What is not in it,
 * or does not fit, is refused (`guard-requests.ts`). Workers read the bytes of strangers, and may be somebody else's by now.
 */

import { z } from 'zod'
import { MOST_LISTED, REQUEST_STATES } from '../../access-requests/request.ts'
import { askWishSchema } from '../../access-requests/wish-schema.ts'
import { type ProtocolName, protocolNames } from '../../protocols/registered.ts'
import type { SessionState } from '../../session/broker/create-broker.ts'
import { END_REASON_TEXT } from '../../session/state.ts'
import type { ErrorCode } from '../../shared/errors.ts'
import { SESSION_ID_PATTERN } from '../../shared/ids.ts'
import { NAME_PATTERN } from '../../shared/names.ts'
import { isScope, type Scope } from '../../shared/scopes.ts'
import { CHECK_OUT_WAYS } from '../../shared/vocabulary.ts'
import { MOST_HOPS } from '../../targets/route.ts'
import type { CheckOutWishMessage, GatewayMethods } from './gateway-methods.ts'
import { bytesUpTo } from './proof-message.ts'
import type { Rate } from './rate.ts'

interface Asked<Values> {
  readonly values: z.ZodType<Values>
  /**
   * Where the first value names a session, how far it must have come: `new` is one that this worker has not named yet. Not given: it is of
   * no session.
   */
  readonly when?: readonly (SessionState | 'new')[]
  /** It may have been sent before the worker knew that the session is over: then it is answered so, and nothing else. */
  readonly late?: true
  /** How many of one worker may wait for their answers at a time; not given: as many as all its requests together. */
  readonly atOnce?: number
}

/**
 * How often, at most, and no request is without one of them. `times`: in the life of one session; more is no worker of ours. `rate`: for one
 * session, or, where it is of none, for the worker; more is refused, and no alarm: clients may be the cause.
 */
type HowOften = { readonly times: number; readonly rate?: never } | { readonly rate: Rate; readonly times?: never }

export type Request<Values> = Asked<Values> & HowOften

export type Requests = { readonly [M in keyof GatewayMethods]: Request<Parameters<GatewayMethods[M]>> }

const text = (most: number) => z.string().max(most)
const session = z.string().regex(SESSION_ID_PATTERN)
const name = z.string().regex(NAME_PATTERN)
const connection = z.number().int().nonnegative()
const address = z.strictObject({ account: name, target: name })
const source = z.strictObject({ address: text(64), port: z.number().int().min(0).max(65_535) })
const protocol = z.custom<ProtocolName>(value => protocolNames().some(known => known === value), 'no such protocol')
const code = z.custom<ErrorCode>(value => typeof value === 'string' && /^[A-Z_]{1,64}$/.test(value), 'no code')
const refusal = z.strictObject({ code, message: text(4096), detail: text(4096).optional() })
/** Of a client's own words: no name is as long. */
export const MOST_CLAIMED = 16_384
const claim = z.strictObject({
  protocol,
  source,
  login: text(MOST_CLAIMED),
  database: text(MOST_CLAIMED).optional(),
  outer: session.optional(),
})
/** They are kept in the session's row. */
const details = z
  .record(text(64), text(2048))
  .refine(all => Object.keys(all).length <= 32, 'too many details')
  .refine(({ reason, ticket }) => reason === undefined && ticket === undefined, 'words are said to the gateway')
/** PgBouncer makes the process ids up: any 32 bits, half of them negative. */
const atTarget = z.strictObject({ processId: z.int32().optional() })
const publicKey = bytesUpTo(256)
const watch = z.string().regex(/^[0-9a-f]{32}$/)
const scopes = z.union([z.literal('all'), z.set(z.custom<Scope>(scope => isScope(String(scope))))])

const checkOutWish = z.strictObject({
  forMs: z.number().optional(),
  reason: text(4096).optional(),
  ticket: text(4096).optional(),
  shared: z.boolean().optional(),
  wait: z.boolean().optional(),
  way: z.enum(CHECK_OUT_WAYS).optional(),
  toAge: text(4096).optional(),
}) as unknown as z.ZodType<CheckOutWishMessage>

/** As it was typed: whether there is one, the gateway says. */
const request = text(64)

/** What sessions send to each other through the cluster: following, and what protocols have between their processes. */
const ofProtocol = () => `(?:${protocolNames().join('|')})-[a-z-]{1,32}(?::[0-9a-f]{1,64})?`
const matching = (pattern: () => string) => text(128).refine(value => new RegExp(`^(?:${pattern()})$`).test(value))
const followed = matching(() => 'follow-data:[0-9a-f]{32}')
const heardOn = matching(
  () =>
    `follow|session-kill|session-notice|session-watched|access-changed|access-requests|request-ended|${ofProtocol()}`,
)
const key = matching(ofProtocol)
/** A follower's chunk is at most about 256 KB; protocols send each other keys. */
const published = z.union([z.tuple([followed, bytesUpTo(512 * 1024)]), z.tuple([key, bytesUpTo(1024)])])
const milliseconds = z.number().int().min(0).max(60_000)

/** What clients cause by their connections, however many come at once. */
const OF_A_WORKER: Rate = { burst: 5000, perSecond: 2000 }
/** What is sent at each change of roles, users or targets, and those may come in great numbers. */
const AT_CHANGES: Rate = { burst: 10_000, perSecond: 1000 }
/** What a person looks at, who types fast, and searches with each key. */
const LOOKED_AT: Rate = { burst: 200, perSecond: 50 }
/** What leaves an event in the audit log, or costs a try. */
const DONE: Rate = { burst: 100, perSecond: 5 }

export const REQUESTS = {
  // Who somebody is, and whether they may: the gateway asks for the proofs by itself.
  admit: { values: z.tuple([session, claim]), when: ['new'], times: 1 },
  admitLogin: { values: z.tuple([session, claim]), when: ['new'], times: 1 },
  loginOver: {
    values: z.tuple([session, z.boolean().optional()]),
    when: ['asked', 'granted', 'login', 'lent'],
    rate: DONE,
    late: true,
  },
  knowsPublicKey: { values: z.tuple([text(16_384), bytesUpTo(64 * 1024)]), rate: OF_A_WORKER },
  stillAllowed: { values: z.tuple([session]), when: ['granted', 'lent'], rate: AT_CHANGES, late: true },
  loginStillAllowed: { values: z.tuple([session]), when: ['login'], rate: AT_CHANGES, late: true },

  awaitModerator: { values: z.tuple([session]), when: ['granted'], times: 1, late: true },

  // What is lent: once, to the session that it was granted to, while that lasts.
  lease: { values: z.tuple([session, details, publicKey]), when: ['granted'], times: 1 },
  findHop: { values: z.tuple([session, name]), when: ['lent'], times: 8 * MOST_HOPS, late: true },
  lendForHop: { values: z.tuple([session, address, publicKey]), when: ['lent'], times: MOST_HOPS },
  /** As often as the target, and each hop, may ask twice. */
  oneTimeCode: { values: z.tuple([session, address]), when: ['lent'], times: 2 * (1 + MOST_HOPS) },
  recordingKeys: { values: z.tuple([session]), when: ['lent'], times: 1 },
  signSeal: { values: z.tuple([session, bytesUpTo(64 * 1024)]), when: ['lent'], times: 1 },

  // What becomes of the session.
  hopFailed: { values: z.tuple([session, address, refusal]), when: ['lent'], times: 2 * MOST_HOPS, late: true },
  refused: { values: z.tuple([session, refusal]), when: ['granted', 'lent'], times: 4, late: true },
  activate: { values: z.tuple([session, atTarget]), when: ['lent'], times: 1, late: true },
  channelDenied: {
    values: z.tuple([session, text(16_384), text(16_384)]),
    when: ['lent', 'login'],
    // As many as one session may wait for, many times over: a session that is denied more ends.
    times: 100_000,
    late: true,
  },
  end: {
    values: z.tuple([
      session,
      z.strictObject({
        reason: z.enum(Object.keys(END_REASON_TEXT) as (keyof typeof END_REASON_TEXT)[]),
        sealed: z
          .strictObject({ file: text(256), hash: z.string().regex(/^[0-9a-f]{64}$/), bytes: z.number().int().min(0) })
          .optional(),
        tampered: z.strictObject({ file: text(256), why: text(1024) }).optional(),
        closed: z.strictObject({ client: z.boolean(), target: z.boolean() }).optional(),
      }),
    ]),
    when: ['granted', 'lent'],
    times: 1,
  },
  release: {
    values: z.tuple([session]),
    when: ['new', 'asked', 'granted', 'lent', 'login', 'over'],
    rate: DONE,
    late: true,
  },

  // What a person asks for herself on a login that names no target.
  person: { values: z.tuple([session]), when: ['login'], rate: AT_CHANGES, late: true },
  look: {
    values: z.tuple([session, z.strictObject({ account: name.optional(), target: name })]),
    when: ['login'],
    rate: LOOKED_AT,
    late: true,
  },
  reachable: {
    values: z.tuple([session, z.array(name).max(10_000).optional(), z.boolean().optional()]),
    when: ['login'],
    rate: LOOKED_AT,
    atOnce: 200,
    late: true,
  },
  findInside: {
    values: z.tuple([session, text(255), z.number().int().min(0)]),
    when: ['login'],
    rate: LOOKED_AT,
    late: true,
  },
  favourites: { values: z.tuple([session]), when: ['login'], rate: LOOKED_AT, late: true },
  toggleFavourite: { values: z.tuple([session, address]), when: ['login'], rate: LOOKED_AT, late: true },
  sessions: {
    values: z.tuple([
      session,
      z.strictObject({ limit: z.number().int().min(1).max(1000), state: z.enum(['live', 'ended']).optional() }),
    ]),
    when: ['login'],
    rate: LOOKED_AT,
    late: true,
  },
  user: { values: z.tuple([session]), when: ['login'], rate: LOOKED_AT, late: true },
  notificationChoices: { values: z.tuple([session]), when: ['login'], rate: LOOKED_AT, late: true },
  chooseNotification: {
    values: z.tuple([session, z.strictObject({ kind: text(64), channel: text(64), wanted: z.boolean() })]),
    when: ['login'],
    rate: DONE,
    late: true,
  },
  createToken: {
    values: z.tuple([
      session,
      z.strictObject({ name: text(256).optional(), scopes, validForMs: z.number(), session: session.optional() }),
    ]),
    when: ['login'],
    rate: DONE,
    late: true,
  },
  tokens: { values: z.tuple([session]), when: ['login'], rate: LOOKED_AT, late: true },
  revokeToken: { values: z.tuple([session, text(256)]), when: ['login'], rate: DONE, late: true },
  askAccess: { values: z.tuple([session, askWishSchema]), when: ['login'], rate: DONE, late: true },
  requestTemplates: { values: z.tuple([session]), when: ['login'], rate: LOOKED_AT, late: true },
  requests: {
    values: z.tuple([
      session,
      z.enum(['mine', 'to-decide']),
      z.strictObject({
        state: z.enum(REQUEST_STATES).optional(),
        before: request.optional(),
        limit: z.number().int().min(1).max(MOST_LISTED),
      }),
    ]),
    when: ['login'],
    rate: LOOKED_AT,
    late: true,
  },
  showRequest: { values: z.tuple([session, request]), when: ['login'], rate: LOOKED_AT, late: true },
  extendRequest: {
    values: z.tuple([
      session,
      request,
      z.strictObject({ forMs: z.number().optional(), reason: text(4096).optional(), ticket: text(4096).optional() }),
    ]),
    when: ['login'],
    rate: DONE,
    late: true,
  },
  decideRequest: {
    values: z.tuple([
      session,
      request,
      z.union([
        z.strictObject({
          is: z.literal('approve'),
          less: z.strictObject({
            forMs: z.number().optional(),
            startsAt: z.number().optional(),
            channels: z.array(text(64)).max(20).optional(),
          }),
          reason: text(4096).optional(),
        }),
        z.strictObject({ is: z.literal('deny'), reason: text(4096).optional() }),
      ]),
      bytesUpTo(512).optional(),
    ]),
    when: ['login'],
    rate: DONE,
    late: true,
  },
  endRequest: {
    values: z.tuple([
      session,
      request,
      z.union([
        z.strictObject({ is: z.literal('cancel') }),
        z.strictObject({ is: z.literal('revoke'), reason: text(4096).optional() }),
      ]),
    ]),
    when: ['login'],
    rate: DONE,
    late: true,
  },
  proposals: {
    values: z.tuple([
      session,
      z.enum(['mine', 'to-decide']),
      z.strictObject({ before: request.optional(), limit: z.int().min(1).max(MOST_LISTED) }),
    ]),
    when: ['login'],
    rate: LOOKED_AT,
    late: true,
  },
  showProposal: {
    values: z.tuple([session, request, z.number().int().min(0)]),
    when: ['login'],
    rate: LOOKED_AT,
    late: true,
  },
  decideProposal: {
    values: z.tuple([
      session,
      request,
      z.strictObject({ is: z.enum(['approve', 'deny']), reason: text(4096).optional() }),
      bytesUpTo(512).optional(),
    ]),
    when: ['login'],
    rate: DONE,
    late: true,
  },
  withdrawProposal: { values: z.tuple([session, request]), when: ['login'], rate: DONE, late: true },
  takeCheckOut: {
    values: z.tuple([session, address, checkOutWish]),
    when: ['login'],
    rate: DONE,
    late: true,
  },
  checkIn: { values: z.tuple([session, address]), when: ['login'], rate: DONE, late: true },
  extendCheckOut: {
    values: z.tuple([session, address, z.number().optional()]),
    when: ['login'],
    rate: DONE,
    late: true,
  },
  checkOuts: { values: z.tuple([session]), when: ['login'], rate: LOOKED_AT, late: true },
  // Sessions of others, for those who may watch them; what is taken comes in pieces, fifty a second at most.
  watchable: { values: z.tuple([session]), when: ['login'], rate: LOOKED_AT, late: true },
  watch: { values: z.tuple([session, session, watch]), when: ['login'], rate: DONE, late: true },
  watchNext: {
    values: z.tuple([session, watch]),
    when: ['login'],
    rate: { burst: 1000, perSecond: 500 },
    atOnce: 1000,
    late: true,
  },
  endWatched: { values: z.tuple([session, watch]), when: ['login'], rate: DONE, late: true },
  leaveWatched: { values: z.tuple([session, watch]), when: ['login'], rate: DONE, late: true },
  leaveQueue: { values: z.tuple([session, address]), when: ['login'], rate: DONE, late: true },
  /** Wrong ones count for the lockout. */
  proveCode: { values: z.tuple([session, bytesUpTo(4096)]), when: ['login'], rate: DONE, late: true },
  /** With a code of its own each: the gateway verifies it, and shows a credential once. */
  revealCheckOut: {
    values: z.tuple([
      session,
      z.strictObject({ checkOut: text(64), toAge: text(4096).optional() }),
      bytesUpTo(4096),
      publicKey,
    ]),
    when: ['login'],
    rate: DONE,
    late: true,
  },
  selfService: {
    values: z.tuple([
      session,
      z.enum(['self-service.opened', 'self-service.command']),
      z.record(text(32), text(1024)).refine(all => Object.keys(all).length <= 8),
    ]),
    when: ['login'],
    rate: DONE,
    late: true,
  },

  // Connections.
  acquireSlot: { values: z.tuple([connection, source]), rate: OF_A_WORKER },
  acquireInnerSlot: { values: z.tuple([connection]), rate: OF_A_WORKER },
  connectionRefused: {
    values: z.tuple([
      z.strictObject({ protocol, source: text(64), code, why: text(4096), session: session.optional() }),
    ]),
    rate: OF_A_WORKER,
  },

  // The cluster.
  publish: { values: published, rate: OF_A_WORKER, atOnce: 128 },
  subscribe: { values: z.tuple([heardOn]), rate: OF_A_WORKER },
  unsubscribe: { values: z.tuple([heardOn]), rate: OF_A_WORKER },
  /** What is kept ends by itself, within a minute: so few of it are there at a time. */
  remember: { values: z.tuple([key, text(8192), milliseconds]), rate: { burst: 500, perSecond: 100 } },
  recall: { values: z.tuple([key]), rate: OF_A_WORKER },
  forget: { values: z.tuple([key]), rate: OF_A_WORKER },
  livingGateways: { values: z.tuple([]), rate: OF_A_WORKER },
} as const satisfies Requests
