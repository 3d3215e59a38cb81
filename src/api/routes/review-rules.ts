/** Review rules, as they were applied. */

import { z } from 'zod'
import { requestDocument, wantedText } from '../../access-requests/request-document.ts'
import { type Tried, tryRules } from '../../access-requests/review/dry-run.ts'
import { inOrder, type ReviewRule } from '../../access-requests/review/review-rule.ts'
import { propose } from '../../resources/apply.ts'
import type { ResourceFile } from '../../resources/parse.ts'
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
})
export type TriedAnswer = z.output<typeof triedSchema>

export function reviewRules(app: ApiRoutes, { reviewRules, requests, database, clock, connectors }: ApiParts): void {
  async function rulesWith(files: readonly ResourceFile[], prune: boolean): Promise<ReviewRule[]> {
    const rules = new Map((await reviewRules.list()).map(rule => [rule.name, rule]))
    const { plan, puts } = (await propose(files, { database, clock, connectors }, { prune })).planned
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
        summary: 'What review rules would have said of requests that were asked; changes nothing',
        tags,
        body: trySchema,
        response: { 200: triedSchema },
      },
    },
    async ({ body: { files, prune, limit, ...window } }) => {
      const until = window.until === undefined ? requests.clock.now() : Date.parse(window.until)
      const since = window.since === undefined ? until - DAYS_30_MS : Date.parse(window.since)
      const rules = files === undefined ? await reviewRules.list() : await rulesWith(files, prune)
      const { tried, more } = await tryRules(requests, rules, { since, until })
      const of = (outcome: string) => tried.filter(one => outcomeOf(one) === outcome).length
      return {
        ...{ since: isoTime(since), until: isoTime(until), requests: tried.length, more },
        counts: { approve: of('approve'), deny: of('deny'), ask: of('ask'), notKnown: of('not-known') },
        listed: tried.slice(0, limit).map(listedAnswer),
      }
    },
  )
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
