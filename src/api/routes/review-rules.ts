/** Review rules, as they were applied. */

import { z } from 'zod'
import { requestDocument, wantedText } from '../../access-requests/request-document.ts'
import { type Tried, tryRules } from '../../access-requests/review/dry-run.ts'
import { inOrder, type ReviewRule } from '../../access-requests/review/review-rule.ts'
import { type Proposal, propose } from '../../resources/apply.ts'
import { openStores } from '../../resources/stores.ts'
import { type WouldAsk, wouldHaveAsked } from '../../resources/would-ask.ts'
import { createSemaphore } from '../../shared/concurrency/semaphore.ts'
import { GatewayError } from '../../shared/errors.ts'
import { nameSchema } from '../../shared/name-schema.ts'
import { isoTime } from '../../shared/text/iso-time.ts'
import { notFound } from '../errors.ts'
import type { ApiParts } from '../parts.ts'
import { BODY_LIMIT_BYTES, filesSchema } from './resources.ts'
import { type ApiRoutes, timeSchema } from './route.ts'

/** As it is stored: durations in milliseconds. Transforms cannot be described, so the document says "any object". */
const answerSchema = z.looseObject({ name: z.string() })
export type ReviewRuleAnswer = ReviewRule

const DAYS_30_MS = 30 * 86_400_000

const trySchema = z.strictObject({
  /** Of other rules than those in force: as they would be, had these been applied. */
  files: filesSchema.optional(),
  prune: z.boolean().default(false),
  /** Requests that were asked at this time or after it; not given: in the last 30 days. */
  since: timeSchema.optional(),
  /** And before this time; not given: now. */
  until: timeSchema.optional(),
  /** So many are listed; all are counted. */
  limit: z.number().int().min(0).max(1000).default(100),
})

const count = z.number().int()
const triedSchema = z.object({
  since: timeSchema,
  until: timeSchema,
  requests: count,
  /** There are older ones in that time that were not tried. */
  more: z.boolean(),
  counts: z.object({ approve: count, deny: count, ask: count, notKnown: count }),
  listed: z.array(
    z.object({
      request: z.string(),
      user: z.string(),
      wanted: z.string(),
      askedAt: timeSchema,
      outcome: z.enum(['approve', 'deny', 'ask', 'not-known']),
      rule: z.string().nullable(),
      why: z.string(),
    }),
  ),
  /** Where the files change roles, users or targets: recorded sessions that would have had to be asked for. */
  sessions: z
    .object({
      /** All of that time. */
      recorded: count,
      asked: count,
      more: z.boolean(),
      counts: z.object({ approve: count, deny: count, ask: count }),
      listed: z.array(
        z.object({
          session: z.string(),
          user: z.string(),
          account: z.string(),
          startedAt: timeSchema,
          role: z.string(),
          outcome: z.enum(['approve', 'deny', 'ask']),
          rule: z.string().nullable(),
          why: z.string(),
        }),
      ),
    })
    .optional(),
})

export type TriedAnswer = z.output<typeof triedSchema>

/** One after the other: each reads much of what is recorded. */
const MOST_WAITING = 4

export function reviewRules(app: ApiRoutes, parts: ApiParts): void {
  const { reviewRules, requests, foresee, sessions, approvedThen, database, clock, connectors, defaultFactors } = parts
  const oneAtATime = createSemaphore(1, MOST_WAITING)

  async function rulesWith({ planned: { plan, puts } }: Proposal): Promise<ReviewRule[]> {
    const rules = new Map((await reviewRules.list()).map(rule => [rule.name, rule]))
    for (const put of puts) if (put.kind === 'review-rule') rules.set(put.value.name, put.value)
    for (const { kind, name, action } of plan.changes)
      if (kind === 'review-rule' && action === 'delete') rules.delete(name)
    return [...rules.values()]
  }

  const tags = ['requests']
  app.get(
    '/v1/review-rules',
    {
      schema: {
        summary: 'All review rules, in the order in which they are asked: the first that matches decides',
        tags,
        response: { 200: z.object({ rules: z.array(answerSchema) }) },
      },
    },
    async () => ({ rules: inOrder(await reviewRules.list()) }),
  )
  app.get(
    '/v1/review-rules/:name',
    {
      schema: {
        summary: 'One review rule',
        tags,
        params: z.object({ name: nameSchema }),
        response: { 200: answerSchema },
      },
    },
    async ({ params: { name } }) => {
      const rule = await reviewRules.get(name)
      if (rule === undefined) throw notFound(`There is no review-rule ${name}.`)
      return rule
    },
  )
  app.post(
    '/v1/review-rules/try',
    {
      bodyLimit: BODY_LIMIT_BYTES,
      schema: {
        summary:
          'What review rules would have said of requests that were asked, and of sessions that would have had to be; changes nothing',
        tags,
        body: trySchema,
        response: { 200: triedSchema },
      },
    },
    ({ body }) => oneAtATime(() => triedAnswer(body)).catch(refuseWhereBusy),
  )

  async function triedAnswer({ files, prune, limit, ...window }: z.output<typeof trySchema>): Promise<TriedAnswer> {
    const until = window.until === undefined ? requests.clock.now() : Date.parse(window.until)
    const since = window.since === undefined ? until - DAYS_30_MS : Date.parse(window.since)
    const proposal = files && (await propose(files, { database, clock, connectors }, { prune }))
    const rules = proposal === undefined ? await reviewRules.list() : await rulesWith(proposal)
    const { tried, more } = await tryRules(requests, rules, { since, until })
    const of = (outcome: string) => tried.filter(one => outcomeOf(one) === outcome).length
    const changed = proposal?.planned.plan.changes.some(({ kind }) => POLICY.includes(kind)) === true
    return {
      ...{ since: isoTime(since), until: isoTime(until), requests: tried.length, more },
      counts: { approve: of('approve'), deny: of('deny'), ask: of('ask'), notKnown: of('not-known') },
      listed: tried.slice(0, limit).map(listedAnswer),
      ...(changed ? { sessions: await sessionsAnswer(proposal, rules, { since, until, limit }) } : {}),
    }
  }

  async function sessionsAnswer(
    proposal: Proposal,
    rules: readonly ReviewRule[],
    { limit, ...window }: { since: number; until: number; limit: number },
  ): Promise<TriedAnswer['sessions']> {
    const from = { stores: openStores({ database, clock }), sessions, approvedThen, defaults: defaultFactors, foresee }
    const found = await wouldHaveAsked(proposal, rules, from, window)
    const of = (outcome: string) => found.asked.filter(({ review }) => review.outcome === outcome).length
    return {
      ...{ recorded: found.sessions, asked: found.asked.length, more: found.more },
      counts: { approve: of('approve'), deny: of('deny'), ask: of('ask') },
      listed: found.asked.slice(0, limit).map(askedAnswer),
    }
  }
}

/** What sessions are decided by. */
const POLICY: readonly string[] = ['user', 'role', 'target']

function askedAnswer({ session, role, review }: WouldAsk): NonNullable<TriedAnswer['sessions']>['listed'][number] {
  const { id, user, account, target, startedAt } = session
  const { outcome, rule = null, why } = review
  return {
    ...{ session: id, user, account: `${account}@${target}`, startedAt: isoTime(startedAt), role },
    ...{ outcome, rule, why },
  }
}

function refuseWhereBusy(error: unknown): never {
  if (!(error instanceof GatewayError) || error.code !== 'TOO_MANY_CONNECTIONS') throw error
  throw new GatewayError('CONFLICT', 'Others try rules on this gateway: try again in a moment.')
}

function outcomeOf({ review }: Tried): TriedAnswer['listed'][number]['outcome'] {
  return review?.outcome ?? 'not-known'
}

function listedAnswer(one: Tried): TriedAnswer['listed'][number] {
  const { request, review } = one
  const { id, user, askedAt, asked } = requestDocument(request)
  return {
    ...{ request: id, user, wanted: wantedText(asked), askedAt },
    ...{ outcome: outcomeOf(one), rule: review?.rule ?? null },
    why: review?.why ?? 'it is offered no more, or asked for more time: that cannot be told now',
  }
}
