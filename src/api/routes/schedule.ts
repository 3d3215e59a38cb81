/** The schedule: what is to happen by itself, what of it failed, and having it tried again. */

import { z } from 'zod'
import { TELL_DEPENDENTS } from '../../rotation/dependents/tell-again.ts'
import { PLAN_ROTATIONS, ROTATE, ROTATE_BATCH, VERIFY } from '../../rotation/triggers/rotation-job.ts'
import { JOB_STATES, type Job } from '../../schedule/job.ts'
import { GatewayError } from '../../shared/errors.ts'
import { JOB_ID_PATTERN } from '../../shared/ids.ts'
import type { Scope } from '../../shared/scopes.ts'
import { isoTime } from '../../shared/text/iso-time.ts'
import { auditedChange } from '../audited.ts'
import { notFound } from '../errors.ts'
import { mustHave } from '../hand-on.ts'
import type { ApiParts } from '../parts.ts'
import { type ApiRoutes, timeSchema } from './route.ts'

const jobSchema = z.object({
  id: z.string(),
  kind: z.string(),
  /** For what: an account, a check-out. */
  key: z.string(),
  payload: z.unknown(),
  state: z.enum(JOB_STATES),
  dueAt: timeSchema,
  plannedAt: timeSchema,
  /** Failures in a row, and the words of the last one. */
  attempts: z.number(),
  lastError: z.string().nullable(),
  failedAt: timeSchema.nullable(),
  /** The gateway that runs it. */
  gateway: z.string().nullable(),
})
export type ScheduledJob = z.output<typeof jobSchema>

const querySchema = z.object({
  kind: z.string().max(64).optional(),
  key: z.string().max(256).optional(),
  state: z.enum(JOB_STATES).optional(),
  /** Those that are due by then. */
  dueBy: timeSchema.optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
})

const idSchema = z.object({
  id: z.string().regex(JOB_ID_PATTERN, "a job's id is job_ and 26 characters"),
})

/** They change credentials, or log in with them: the right to that is in no other. */
const OF_ROTATION: readonly string[] = [ROTATE, VERIFY, ROTATE_BATCH, PLAN_ROTATIONS, TELL_DEPENDENTS]

function neededToRetry({ kind }: Job): Scope {
  return OF_ROTATION.includes(kind) ? 'rotate' : 'operate'
}

export function schedule(app: ApiRoutes, { schedule, audit }: ApiParts): void {
  const tags = ['schedule']

  app.get(
    '/v1/schedule',
    {
      schema: {
        summary: 'What is to happen by itself, in the order of its times',
        tags,
        querystring: querySchema,
        response: { 200: z.object({ jobs: z.array(jobSchema) }) },
      },
    },
    async ({ query: { dueBy, ...filters } }) => {
      const jobs = await schedule.list({ ...filters, dueBy: dueBy === undefined ? undefined : Date.parse(dueBy) })
      return { jobs: jobs.map(documentOf) }
    },
  )

  app.post(
    '/v1/schedule/:id/retry',
    {
      schema: {
        summary: 'Has a job that failed, or was given up, tried again now',
        tags,
        params: idSchema,
        response: { 200: jobSchema },
      },
    },
    async ({ params: { id }, caller }) => {
      const job = await schedule.get(id)
      if (job === undefined) throw notFound(`There is no job ${id}: it may be done.`)
      mustHave(
        caller,
        new Set([neededToRetry(job)]),
        missing => `A job of the kind ${job.kind} is tried again by who has the scope ${missing}.`,
      )
      const data = { id, job: job.kind, for: job.key, lastError: job.lastError }
      await auditedChange(audit, { kind: 'job.retried', actor: caller.actor, data }, async change => {
        if (!(await change(on => schedule.retry(id, on)))) {
          throw new GatewayError('CONFLICT', `The job ${id} did not fail, or runs now: it comes at its own time.`)
        }
      })
      return documentOf((await schedule.get(id)) ?? job)
    },
  )
}

function documentOf({ dueAt, plannedAt, failedAt, lastError, gateway, ...job }: Job): ScheduledJob {
  return {
    ...job,
    dueAt: isoTime(dueAt),
    plannedAt: isoTime(plannedAt),
    lastError: lastError ?? null,
    failedAt: failedAt === undefined ? null : isoTime(failedAt),
    gateway: gateway ?? null,
  }
}
