/** Rotations: having a credential rotated, verified, reconciled; which there were, and how all accounts stand. */

import { z } from 'zod'
import { ACCOUNT_STATES } from '../../rotation/account-states.ts'
import type { Rotation } from '../../rotation/journal.ts'
import { NOT_STARTED, type RotationOutcome, type VerifyOutcome } from '../../rotation/outcome.ts'
import { CLOSED_STATES, OPEN_STATES } from '../../rotation/rotation.ts'
import { type AccountStatus, STATUS_CONDITIONS } from '../../rotation/status.ts'
import { ROTATION_ID_PATTERN } from '../../shared/ids.ts'
import { nameSchema } from '../../shared/name-schema.ts'
import { parseAccountAddress } from '../../shared/names.ts'
import { isoTime } from '../../shared/text/iso-time.ts'
import type { ApiParts } from '../parts.ts'
import { type ApiRoutes, addressSchema, timeSchema } from './route.ts'

/** The target's own words, or the gateway's. */
const words = z.string()
const rotationId = z.string().regex(ROTATION_ID_PATTERN, "a rotation's id is rot_ and 26 characters")

const outcomeSchema = z.discriminatedUnion('result', [
  z.object({ result: z.literal('rotated'), rotation: z.string(), version: z.number(), words }),
  z.object({ result: z.enum(['backed-out', 'refused', 'unknown']), rotation: z.string(), words }),
  z.object({ result: z.literal('open'), rotation: z.string(), words, nextAt: timeSchema }),
  z.object({ result: z.literal('not-started'), why: z.enum(NOT_STARTED), words }),
  z.object({
    result: z.literal('would-rotate'),
    connector: z.string(),
    policy: z.string().nullable(),
    version: z.number(),
  }),
])
export type Outcome = z.output<typeof outcomeSchema>

const verifiedSchema = z.object({
  result: z.enum(['works', 'changed-elsewhere', 'damaged', 'unreachable', 'busy']),
  version: z.number(),
  words,
})
export type Verified = z.output<typeof verifiedSchema>

const rotationSchema = z.object({
  id: z.string(),
  account: z.string(),
  target: z.string(),
  way: z.enum(['rotate', 'reconcile']),
  state: z.enum([...OPEN_STATES, ...CLOSED_STATES]),
  trigger: z.string(),
  by: z.string(),
  connector: z.string(),
  policy: z.string().nullable(),
  /** The version that was in force when it began, and the candidate. */
  from: z.number(),
  to: z.number(),
  /** Of candidates: the first has 1. */
  attempt: z.number(),
  words,
  startedAt: timeSchema,
  endedAt: timeSchema.nullable(),
  /** Of one that is open: when it is tried again. */
  nextAt: timeSchema.nullable(),
})
export type ListedRotation = z.output<typeof rotationSchema>

const listQuery = z.object({
  account: nameSchema.optional(),
  target: nameSchema.optional(),
  state: z.enum(['open', 'closed']).optional(),
  /** Those that come after this one in the list: the last of a page gives the next one. */
  before: rotationId.optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
})

const statusSchema = z.object({
  account: z.string(),
  target: z.string(),
  state: z.enum(ACCOUNT_STATES),
  failures: z.number(),
  words,
  rotatedAt: timeSchema.nullable(),
  verifiedAt: timeSchema.nullable(),
  verifiedResult: z.string().nullable(),
  dueAt: timeSchema.nullable(),
  overdue: z.boolean(),
  policy: z.string().nullable(),
  rotation: z.object({ id: z.string(), state: z.enum(OPEN_STATES), nextAt: timeSchema }).nullable(),
})
export type ListedStatus = z.output<typeof statusSchema>

const countsSchema = z.record(z.enum(['accounts', ...STATUS_CONDITIONS]), z.number())
export type StatusAnswer = { counts: z.output<typeof countsSchema>; accounts: ListedStatus[] }

const statusQuery = z.object({
  account: nameSchema.optional(),
  target: nameSchema.optional(),
  /** Those of which one of these is true, with commas between them. */
  conditions: z
    .string()
    .transform(text => text.split(','))
    .pipe(z.array(z.enum(STATUS_CONDITIONS)))
    .optional(),
  /** Those that come after this account@target: the last of a page gives the next one. */
  after: z
    .string()
    .transform(text => parseAccountAddress(text))
    .refine(address => address !== undefined, 'an account is named account@target')
    .optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
})

export function rotations(app: ApiRoutes, { rotations, accountStatuses }: ApiParts): void {
  const tags = ['rotations']
  const path = '/v1/credentials/:target/:account'

  app.post(
    `${path}/rotate`,
    {
      schema: {
        summary: 'Rotates a credential: a new one is set at the target, is verified by a login, and comes in force',
        tags,
        params: addressSchema,
        body: z.strictObject({ dryRun: z.boolean().default(false) }).prefault({}),
        response: { 200: outcomeSchema },
      },
    },
    async ({ params, body: { dryRun }, caller }) =>
      outcome(await rotations.rotate(params, { trigger: 'by-hand', by: caller.actor, dryRun })),
  )

  app.post(
    `${path}/verify`,
    {
      schema: {
        summary: 'Logs in at the target with the credential in force, and notes what came of it',
        tags,
        params: addressSchema,
        response: { 200: verifiedSchema },
      },
    },
    async ({ params, caller }): Promise<VerifyOutcome> => rotations.verify(params, caller.actor),
  )

  app.post(
    `${path}/reconcile`,
    {
      schema: {
        summary: "Has the policy's reconcile account set a new credential, where nothing that the vault holds logs in",
        tags,
        params: addressSchema,
        response: { 200: outcomeSchema },
      },
    },
    async ({ params, caller }) => outcome(await rotations.reconcile(params, caller.actor)),
  )

  app.get(
    '/v1/rotations',
    {
      schema: {
        summary: 'Rotations, newest first',
        tags,
        querystring: listQuery,
        response: { 200: z.object({ rotations: z.array(rotationSchema) }) },
      },
    },
    async ({ query: { state, ...query } }) => {
      const open = state === undefined ? undefined : state === 'open'
      return { rotations: (await rotations.list({ ...query, open })).map(rotationDocument) }
    },
  )

  app.get(
    '/v1/credentials/status',
    {
      schema: {
        summary: 'How the credentials of all accounts stand: due, overdue, failed, unknown, never verified',
        tags,
        querystring: statusQuery,
        response: { 200: z.object({ counts: countsSchema, accounts: z.array(statusSchema) }) },
      },
    },
    async ({ query: { conditions = [], ...query } }) => {
      const [counts, accounts] = await Promise.all([
        accountStatuses.counts(),
        accountStatuses.list({ ...query, conditions }),
      ])
      return { counts, accounts: accounts.map(statusDocument) }
    },
  )
}

function outcome(outcome: RotationOutcome): Outcome {
  switch (outcome.result) {
    case 'open':
      return { ...outcome, nextAt: isoTime(outcome.nextAt) }
    case 'would-rotate':
      return { ...outcome, policy: outcome.policy ?? null }
    default:
      return outcome
  }
}

function rotationDocument(rotation: Rotation): ListedRotation {
  const { id, account, target, way, state, trigger, by, connector, attempt, words } = rotation
  const { policy = null, former: from, candidate: to, startedAt, endedAt, nextAt } = rotation
  return {
    ...{ id, account, target, way, state, trigger, by, connector, policy, from, to, attempt, words },
    startedAt: isoTime(startedAt),
    endedAt: timeOrNull(endedAt),
    nextAt: endedAt === undefined ? isoTime(nextAt) : null,
  }
}

function statusDocument({ rotation, ...status }: AccountStatus): ListedStatus {
  const { policy = null, verifiedResult = null } = status
  const { rotatedAt, verifiedAt, dueAt } = status
  return {
    ...status,
    ...{ policy, verifiedResult, rotatedAt: timeOrNull(rotatedAt) },
    ...{ verifiedAt: timeOrNull(verifiedAt), dueAt: timeOrNull(dueAt) },
    rotation: rotation === undefined ? null : { ...rotation, nextAt: isoTime(rotation.nextAt) },
  }
}

function timeOrNull(ms: number | undefined): string | null {
  return ms === undefined ? null : isoTime(ms)
}
