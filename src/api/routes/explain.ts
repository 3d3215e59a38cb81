/** Why a user may reach an account, or may not: the same rule that grants, asked without granting. */

import { z } from 'zod'
import { reviewDocument } from '../../access-requests/request-document.ts'
import type { User } from '../../identity/user.ts'
import { explain as explainAccess, type OfferExplanation } from '../../policy/explain.ts'
import { offersFor } from '../../policy/offers.ts'
import type { Role } from '../../policy/role.ts'
import { channelNames, protocolNames } from '../../protocols/registered.ts'
import { factorSchema } from '../../shared/factor-schema.ts'
import { nameSchema } from '../../shared/name-schema.ts'
import type { AccountAddress } from '../../shared/names.ts'
import { isoTime } from '../../shared/text/iso-time.ts'
import { LEVELS, PROMPTNESS } from '../../shared/vocabulary.ts'
import { findRoute, hopName } from '../../targets/route.ts'
import type { Target } from '../../targets/target.ts'
import type { ApiParts } from '../parts.ts'
import { type ApiRoutes, timeSchema } from './route.ts'

const querySchema = z.object({
  user: nameSchema,
  /** Not given: the account that `user+target` means. */
  account: nameSchema.optional(),
  target: nameSchema,
  /** Not given: the target's. */
  protocol: z.lazy(() => z.enum(protocolNames())).optional(),
  /** Of a target that has several; not given: the target's own. */
  database: z.string().min(1).max(256).optional(),
  /** The address that the user comes from; not given: every source is taken as allowed. */
  from: z.union([z.ipv4(), z.ipv6()]).optional(),
  /** Not given: now. */
  at: timeSchema.optional(),
})

const offerSchema = z.object({ role: z.string(), offer: z.string(), account: z.string(), level: z.enum(LEVELS) })

/** What would be given if it was asked for and approved: the lowest level first. */
export const offersSchema = z.array(offerSchema)

/** What would become of the request, for as long as one asks for who does not say. */
const foreseenSchema = z.object({
  /** By which review rule, and why; null: none matches. */
  review: z.object({
    outcome: z.enum(['approve', 'deny', 'ask']),
    rule: z.string().nullable(),
    why: z.string(),
    outside: z.array(z.string()),
  }),
  /** Who would be asked first, where people are: by name the first of them, and how many there are. */
  approvers: z.object({ words: z.string(), names: z.array(z.string()), count: z.number().int() }).optional(),
})

const explanationSchema = z.object({
  allowed: z.boolean(),
  verdict: z.string(),
  given: z
    .object({
      account: z.string(),
      /** The approved request that it rests on. */
      request: z.string().optional(),
      /** Why the vault would not lend the credential all the same; not given: it would. */
      credential: z.string().optional(),
      /** Of a target that has several. */
      database: z.string().optional(),
      /** Where databases are reached: how long a code that was accepted counts again, for further connections; 0: it is good for one. */
      rememberFactorMs: z.number().optional(),
      channels: z.array(z.lazy(() => z.enum(channelNames()))),
      endsAt: timeSchema,
      idleMs: z.number().optional(),
      recordInput: z.boolean(),
      recordExecInput: z.boolean(),
      execOutputLimitBytes: z.union([z.int(), z.literal('none')]).optional(),
      recording: z.enum(PROMPTNESS),
      /** The roles that allow the user one live session at a time. */
      oneLiveOf: z.array(z.string()).optional(),
      /** What must be said at each login: a reason, a ticket of some form. */
      mustSay: z.string().optional(),
      moderator: z.string().optional(),
      follow: z.literal('silent').optional(),
    })
    .optional(),
  /** The SSH hosts that a connection goes through, from the gateway on. */
  via: z
    .object({
      hops: z.array(
        z.object({
          account: z.string(),
          /** Why its credential is not lent; not given: it is. */
          credential: z.string().optional(),
        }),
      ),
      /** Why there is no way. */
      broken: z.string().optional(),
    })
    .optional(),
  onRequest: z.array(offerSchema.extend({ foreseen: foreseenSchema.optional() })),
  roles: z.array(
    z.object({
      role: z.string(),
      /** It is what this approved request has of the role. */
      request: z.string().optional(),
      holds: z.boolean(),
      conditions: z.array(z.object({ name: z.string(), holds: z.boolean(), why: z.string() })),
      /** One of these lists must be proven in full. */
      factors: z.array(z.array(factorSchema)),
    }),
  ),
})
export type Explanation = z.output<typeof explanationSchema>

interface Asked {
  readonly user: User | undefined
  readonly held: readonly Role[]
  readonly target: Target | undefined
  readonly query: z.output<typeof querySchema>
}

export function explain(
  app: ApiRoutes,
  { users, roles, targets, approvedOf, defaultFactors, clock, vault, foresee: foreseeing }: ApiParts,
): void {
  app.get(
    '/v1/explain',
    {
      schema: {
        summary: 'Whether a user may reach an account, and by which rule',
        tags: ['policy'],
        querystring: querySchema,
        response: { 200: explanationSchema },
      },
    },
    async ({ query }) => {
      const [user, target] = await Promise.all([users.get(query.user), targets.get(query.target)])
      const held = await roles.heldBy(user)
      const { given, ...rest } = explainAccess({
        user,
        target,
        roles: held,
        approved: await approvedOf(query.user),
        request: {
          protocol: query.protocol ?? target?.protocol,
          target: query.target,
          ...(query.account === undefined ? {} : { account: query.account }),
          ...(query.database === undefined ? {} : { database: query.database }),
        },
        defaults: defaultFactors,
        now: query.at === undefined ? clock.now() : Date.parse(query.at),
        ...(query.from === undefined ? {} : { sourceAddress: query.from }),
      })
      const onRequest = await Promise.all(rest.onRequest.map(one => foreseen(one, { user, held, target, query })))
      const explained = { ...rest, onRequest, ...(target?.via === undefined ? {} : { via: await explainVia(target) }) }
      if (given === undefined) return copied(explained)
      const credential = await whyNotLent({ account: given.account, target: query.target })
      return copied({ ...explained, given: { ...given, credential, endsAt: isoTime(given.endsAt) } })
    },
  )

  async function foreseen(
    one: OfferExplanation,
    { user, held, target, query: { at, from } }: Asked,
  ): Promise<Explanation['onRequest'][number]> {
    const offers = target === undefined ? [] : offersFor(held, target, { account: one.account })
    const offered = offers.find(({ role, name }) => role.name === one.role && name === one.offer)
    if (user === undefined || offered === undefined) return one
    const time = at === undefined ? undefined : Date.parse(at)
    const { review, approvers } = await foreseeing.foresee({ user, offered, at: time, source: from })
    const names = approvers && { ...approvers, names: [...approvers.names] }
    return {
      ...one,
      foreseen: { review: reviewDocument(review), ...(names === undefined ? {} : { approvers: names }) },
    }
  }

  async function whyNotLent(address: AccountAddress): Promise<string | undefined> {
    const standing = await vault.standing(address)
    return standing === undefined ? 'the vault holds none' : standing.unconfirmed
  }

  async function explainVia(target: Target): Promise<NonNullable<Explanation['via']>> {
    const route = await findRoute(target, name => targets.get(name))
    if (route.kind === 'broken') return { hops: [], broken: `the entry of ${route.at}: ${route.why}` }
    const hops = route.hops.map(async hop => {
      const credential = await whyNotLent({ account: hop.account.name, target: hop.target.name })
      return { account: hopName(hop), ...(credential === undefined ? {} : { credential }) }
    })
    return { hops: await Promise.all(hops) }
  }
}

/** The policy's values are read-only; an answer's schema wants its own. */
function copied(value: unknown): Explanation {
  return structuredClone(value) as Explanation
}
