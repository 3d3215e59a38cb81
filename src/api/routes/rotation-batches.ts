/** Batches of rotations: begun by a selection, followed while they go on, and stopped. */

import { z } from 'zod'
import { matchingTarget } from '../../policy/role.ts'
import { BATCH_STATES, type BatchEntry, ENTRY_STATES } from '../../rotation/batches/batch.ts'
import type { BatchView } from '../../rotation/batches/batches.ts'
import { MOST_PARALLEL } from '../../rotation/batches/run-batch.ts'
import { policyOf } from '../../rotation/policies/policies.ts'
import { GatewayError } from '../../shared/errors.ts'
import { BATCH_ID_PATTERN } from '../../shared/ids.ts'
import { nameSchema } from '../../shared/name-schema.ts'
import { formatAccountAddress } from '../../shared/names.ts'
import { isoTime } from '../../shared/text/iso-time.ts'
import { notFound } from '../errors.ts'
import type { ApiParts } from '../parts.ts'
import { type ApiRoutes, timeSchema } from './route.ts'

const selectionSchema = z.strictObject({
  labels: z.record(z.string(), z.string()).optional(),
  targets: z.array(matchingTarget).min(1).optional(),
  accounts: z.array(nameSchema).min(1).optional(),
})

const newBatchSchema = z.strictObject({
  selection: selectionSchema.refine(
    ({ labels = {}, targets }) => targets !== undefined || Object.keys(labels).length > 0,
    'a selection has labels or targets; targets: ["*"] are all',
  ),
  parallel: z.number().int().min(1).max(MOST_PARALLEL).default(4),
  /** After so many failures no further account begins. */
  stopAfter: z.number().int().min(1).optional(),
})

const batchSchema = z.object({
  id: z.string(),
  by: z.string(),
  selection: selectionSchema,
  parallel: z.number(),
  stopAfter: z.number().nullable(),
  state: z.enum(BATCH_STATES),
  words: z.string(),
  startedAt: timeSchema,
  endedAt: timeSchema.nullable(),
  counts: z.object(
    Object.fromEntries(ENTRY_STATES.map(state => [state, z.number()])) as Record<
      (typeof ENTRY_STATES)[number],
      z.ZodNumber
    >,
  ),
})
export type RotationBatch = z.output<typeof batchSchema>

const entrySchema = z.object({
  account: z.string(),
  state: z.enum(ENTRY_STATES),
  words: z.string(),
  /** The how many'th of the batch that came to an end. */
  place: z.number(),
})
export type RotationBatchEntry = z.output<typeof entrySchema>

const selectedSchema = z.object({ accounts: z.array(z.object({ account: z.string(), policy: z.string().nullable() })) })
export type SelectedAccounts = z.output<typeof selectedSchema>

const idSchema = z.object({ id: z.string().regex(BATCH_ID_PATTERN, "a batch's id is bat_ and 26 characters") })

export function rotationBatches(app: ApiRoutes, { batches, targets, rotationPolicies }: ApiParts): void {
  const tags = ['credentials']
  const path = '/v1/rotation-batches'

  app.post(
    path,
    {
      schema: {
        summary: 'Rotates all selected accounts, some at a time; it goes on whoever goes away',
        tags,
        body: newBatchSchema,
        response: { 201: batchSchema },
      },
    },
    async ({ body: { selection, parallel, stopAfter }, caller }, reply) => {
      const id = await batches.start({ by: caller.actor, selection, parallel, stopAfter })
      if (id === undefined) throw notFound('The vault has no credential of an account that is selected.')
      return reply.code(201).send(documentOf(await existing(id)))
    },
  )

  app.post(
    `${path}/select`,
    {
      schema: {
        summary: 'Which accounts a selection means, and under which policy each is: nothing is rotated',
        tags,
        body: newBatchSchema.pick({ selection: true }),
        response: { 200: selectedSchema },
      },
    },
    async ({ body: { selection } }) => {
      const selected = await batches.select(selection)
      const policies = await rotationPolicies.list()
      const entries = new Map((await targets.getAll(selected.map(({ target }) => target))).map(one => [one.name, one]))
      return {
        accounts: selected.map(address => {
          const target = entries.get(address.target)
          const account = target?.accounts.find(({ name }) => name === address.account)
          const policy = target && account && policyOf(policies, target, account)
          return { account: formatAccountAddress(address), policy: policy?.name ?? null }
        }),
      }
    },
  )

  app.get(
    path,
    {
      schema: {
        summary: 'Batches of rotations, newest first',
        tags,
        querystring: z.object({ limit: z.coerce.number().int().min(1).max(1000).default(20) }),
        response: { 200: z.object({ batches: z.array(batchSchema) }) },
      },
    },
    async ({ query: { limit } }) => ({ batches: (await batches.list(limit)).map(documentOf) }),
  )

  app.get(
    `${path}/:id`,
    {
      schema: {
        summary: 'One batch, and the accounts that came to an end behind a place',
        tags,
        params: idSchema,
        querystring: z.object({
          afterPlace: z.coerce.number().int().min(0).default(0),
          limit: z.coerce.number().int().min(1).max(1000).default(1000),
        }),
        response: { 200: batchSchema.extend({ ended: z.array(entrySchema) }) },
      },
    },
    async ({ params: { id }, query: { afterPlace, limit } }) => {
      const batch = await existing(id)
      return { ...documentOf(batch), ended: (await batches.ended(id, afterPlace, limit)).map(entryOf) }
    },
  )

  app.post(
    `${path}/:id/stop`,
    {
      schema: {
        summary: 'Begins no further account of a batch; what has begun comes to its end',
        tags,
        params: idSchema,
        response: { 200: batchSchema },
      },
    },
    async ({ params: { id }, caller }) => {
      await existing(id)
      if (!(await batches.stop(id, caller.actor)))
        throw new GatewayError('CONFLICT', `The batch ${id} is over already.`)
      return documentOf(await existing(id))
    },
  )

  async function existing(id: string): Promise<BatchView> {
    const batch = await batches.get(id)
    if (batch === undefined) throw notFound(`There is no batch ${id}.`)
    return batch
  }
}

function documentOf({ stopAfter, startedAt, endedAt, selection, counts, ...batch }: BatchView): RotationBatch {
  return {
    ...batch,
    selection: structuredClone(selection) as RotationBatch['selection'],
    stopAfter: stopAfter ?? null,
    startedAt: isoTime(startedAt),
    endedAt: endedAt === undefined ? null : isoTime(endedAt),
    counts: { ...counts },
  }
}

function entryOf({ state, words, place, ...address }: BatchEntry): RotationBatchEntry {
  return { account: formatAccountAddress(address), state, words, place: place! }
}
