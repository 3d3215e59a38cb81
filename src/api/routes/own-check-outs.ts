/** The caller's own check-outs: with a personal token, which says who they are and what they have proven. */

import { z } from 'zod'
import { createOwnCheckOuts, type OwnCheckOuts } from '../../check-out/own-check-outs.ts'
import { durationText } from '../../shared/durations.ts'
import { GatewayError } from '../../shared/errors.ts'
import { formatAccountAddress } from '../../shared/names.ts'
import { Secret } from '../../shared/secret.ts'
import { CHECK_OUT_WAYS } from '../../shared/vocabulary.ts'
import type { Caller } from '../authentication.ts'
import { notFound } from '../errors.ts'
import type { ApiParts } from '../parts.ts'
import { checkOutSchema } from './check-outs.ts'
import { type ApiRoutes, addressSchema, timeSchema } from './route.ts'

const wishSchema = z.strictObject({
  /** As `2h`; not given: an hour, or what is allowed. */
  for: durationText.optional(),
  reason: z.string().max(2000).optional(),
  ticket: z.string().max(2000).optional(),
  way: z.enum(CHECK_OUT_WAYS).default('inject'),
  /** Refused where nobody else could have it as well. */
  shared: z.boolean().default(false),
  /** Where it cannot be had now: joins the queue. Asked again, it is had when it is free. */
  wait: z.boolean().default(false),
})

const waitingSchema = z.object({
  words: z.string(),
  until: timeSchema.nullable(),
  /** Who has it, where the caller may know. */
  holder: z.string().nullable(),
  /** In the queue, counted from 1. */
  place: z.number(),
})

const ownListSchema = z.object({
  checkOuts: z.array(checkOutSchema),
  waiting: z.array(
    z.object({
      account: z.string(),
      target: z.string(),
      askedAt: timeSchema,
      /** It is the caller's turn until then. */
      offeredUntil: timeSchema.nullable(),
    }),
  ),
  /** Of the accounts that the caller may use, those that somebody else has alone. */
  taken: z.array(z.object({ account: z.string(), target: z.string(), until: timeSchema })),
})

const PATH = '/v1/own/check-outs/:target/:account'

export function ownCheckOuts(app: ApiRoutes, { checkOuts, reveal, authenticator, users }: ApiParts): void {
  const tags = ['own']

  app.get(
    '/v1/own/check-outs',
    { schema: { summary: 'What one has, had lately, and waits for', tags, response: { 200: ownListSchema } } },
    async ({ caller }) => of(caller).list(),
  )

  app.post(
    PATH,
    {
      schema: {
        summary: 'Checks an account out',
        tags,
        params: addressSchema,
        body: wishSchema,
        response: { 201: checkOutSchema, 202: waitingSchema },
      },
    },
    async ({ params, body: { for: forMs, ...wish }, caller }, reply) => {
      const taken = await of(caller).take(params, { ...wish, forMs })
      if (taken.is === 'taken') return reply.code(201).send(taken.checkOut)
      if (taken.is === 'needs-code')
        throw new GatewayError('ACCESS_DENIED', 'It needs a one-time code, which your token was made without.')
      const { words, until, holder, place } = taken
      if (place === null || !wish.wait) throw new GatewayError('ACCOUNT_CHECKED_OUT', words)
      return reply.code(202).send({ words, until, holder, place })
    },
  )

  app.post(
    `${PATH}/extend`,
    {
      schema: {
        summary: 'Has it for longer',
        tags,
        params: addressSchema,
        body: z.strictObject({ for: durationText.optional() }),
        response: { 200: checkOutSchema },
      },
    },
    async ({ params, body, caller }) => of(caller).extend(params, body.for),
  )

  app.post(
    `${PATH}/check-in`,
    {
      schema: {
        summary: "Gives it back; one's sessions on it end",
        tags,
        params: addressSchema,
        response: { 200: checkOutSchema },
      },
    },
    async ({ params, caller }) => {
      const ended = await of(caller).checkIn(params)
      if (ended === null) throw notFound(`You have not checked out ${formatAccountAddress(params)}.`)
      return ended
    },
  )

  app.post(
    `${PATH}/reveal`,
    {
      schema: {
        summary: 'Its credential, encrypted for a public key of age: once, by a one-time code of this moment',
        tags,
        params: addressSchema,
        body: z.strictObject({
          code: z
            .string()
            .max(100)
            .transform(text => new Secret(text)),
          toAge: z.string().max(5000),
        }),
        response: { 200: z.object({ kind: z.string(), version: z.number(), login: z.string(), age: z.string() }) },
      },
    },
    async ({ params: { account, target }, body: { code, toAge }, caller }) => {
      const own = of(caller)
      const { checkOuts: all } = await own.list()
      const open = all.find(one => one.account === account && one.target === target && one.endedAt === null)
      if (open === undefined) throw notFound(`You have not checked out ${formatAccountAddress({ account, target })}.`)
      const { kind, version, login, shown } = await own.reveal({ checkOut: open.id, toAge }, code)
      return { kind, version, login, age: shown.as === 'age' ? shown.text : '' }
    },
  )

  app.delete(
    `${PATH}/waiting`,
    {
      schema: { summary: 'Leaves the queue', tags, params: addressSchema, response: { 204: z.undefined() } },
    },
    async ({ params, caller }, reply) => {
      if (!(await of(caller).leaveQueue(params))) throw notFound(`You do not wait for ${formatAccountAddress(params)}.`)
      return reply.code(204).send()
    },
  )

  function of({ actor, personal, source }: Caller): OwnCheckOuts {
    if (personal === undefined)
      throw new GatewayError(
        'BAD_REQUEST',
        'Accounts are checked out with a personal token, which its user has made: sallyport login --ssh USER@GATEWAY',
      )
    const { proven } = personal.token
    return createOwnCheckOuts({
      ...{ checkOuts, reveal },
      async person() {
        const user = await users.get(actor)
        if (user === undefined || user.disabled) throw new GatewayError('FORBIDDEN', 'Your access was withdrawn.')
        return { user: user.name, roles: user.roles, proven, sourceAddress: source }
      },
      proveCode: code => authenticator.confirmCode(actor, source, code),
    })
  }
}
