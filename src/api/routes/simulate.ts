/** What a change of resources would have meant for the sessions that are recorded. Nothing is changed. */

import { z } from 'zod'
import type { RecordedSession } from '../../policy/simulate.ts'
import { channelNames } from '../../protocols/registered.ts'
import { propose } from '../../resources/apply.ts'
import { type ListedSession, simulate as simulateProposal } from '../../resources/simulate.ts'
import { openStores } from '../../resources/stores.ts'
import { createSemaphore } from '../../shared/concurrency/semaphore.ts'
import { GatewayError } from '../../shared/errors.ts'
import { isoTime } from '../../shared/text/iso-time.ts'
import type { ApiParts } from '../parts.ts'
import { BODY_LIMIT_BYTES, filesSchema } from './resources.ts'
import { type ApiRoutes, timeSchema } from './route.ts'

const DAYS_30_MS = 30 * 86_400_000

const bodySchema = z.strictObject({
  files: filesSchema,
  prune: z.boolean().default(false),
  /** Sessions that began at this time or after it; not given: in the last 30 days. */
  since: timeSchema.optional(),
  /** And before this time; not given: now. */
  until: timeSchema.optional(),
  /** So many are listed; all are counted. */
  limit: z.number().int().min(0).max(1000).default(100),
})

const count = z.number().int()
const simulationSchema = z.object({
  since: timeSchema,
  until: timeSchema,
  /** Of the resources. */
  changes: count,
  sessions: count,
  counts: z.object({
    /** Nothing that they rest on would be another. */
    untouched: count,
    allowed: count,
    /** Allowed, with fewer channels or less time than they took. */
    narrower: count,
    refused: count,
    /** By what is in force now as well: no effect of the change. */
    refusedAlready: count,
    notKnown: count,
  }),
  listed: z.array(
    z.object({
      session: z.string(),
      user: z.string(),
      account: z.string(),
      target: z.string(),
      database: z.string().optional(),
      source: z.string(),
      startedAt: timeSchema,
      /** Those that gave it. */
      roles: z.array(z.string()),
      outcome: z.enum(['refused', 'narrower', 'refused-already', 'not-known']),
      why: z.string(),
      /** Of one that would be refused: it could be asked for. */
      onRequest: z.boolean().optional(),
      /** Roles that gave it, that the user does not hold any more, and that are taken as held. */
      assumed: z.array(z.string()),
      /** That the session would not have had. */
      channels: z.array(z.lazy(() => z.enum(channelNames()))).optional(),
      /** When it would have ended, before it did. */
      wouldEndAt: timeSchema.optional(),
    }),
  ),
  /** What no recorded session says, in words. */
  cannotKnow: z.array(z.string()),
})
export type SimulationAnswer = z.output<typeof simulationSchema>

const NEVER_KNOWN = [
  'Factors: which were proven is taken as enough; a role that asks for others from now on refuses nobody here.',
  'Channels: which were used stands in the recordings alone; what is narrower may not have been needed.',
  'Other roles of that time: only those that gave a session are recorded with it, the others are as they are now.',
  'Accounts, labels and levels of that time: they are as they are now, but for what the files change.',
  'Check-outs, lockouts, and whether the vault would have lent the credential.',
]

/** One after the other: each reads all that is recorded, and its scope is one of those that see and do not change. */
const MOST_WAITING = 4

export function simulate(
  app: ApiRoutes,
  { database, clock, connectors, sessions, approvedThen, defaultFactors }: ApiParts,
): void {
  const oneAtATime = createSemaphore(1, MOST_WAITING)
  app.post(
    '/v1/simulate',
    {
      bodyLimit: BODY_LIMIT_BYTES,
      schema: {
        summary: 'Which recorded sessions resource files would have refused or narrowed; changes nothing',
        tags: ['policy'],
        body: bodySchema,
        response: { 200: simulationSchema },
      },
    },
    ({ body }) => oneAtATime(() => simulated(body)).catch(refuseWhereBusy),
  )

  async function simulated({ files, prune, limit, ...window }: z.output<typeof bodySchema>): Promise<SimulationAnswer> {
    const proposal = await propose(files, { database, clock, connectors }, { prune })
    const until = window.until === undefined ? clock.now() : Date.parse(window.until)
    const since = window.since === undefined ? until - DAYS_30_MS : Date.parse(window.since)
    const parts = { stores: openStores({ database, clock }), sessions, approvedThen, defaults: defaultFactors }
    const { counts, ...simulation } = await simulateProposal(proposal, parts, { since, until, limit })
    const { 'refused-already': refusedAlready, 'not-known': notKnown, ...rest } = counts
    return {
      since: isoTime(since),
      until: isoTime(until),
      changes: proposal.planned.plan.changes.length,
      sessions: simulation.sessions,
      counts: { ...rest, refusedAlready, notKnown },
      listed: simulation.listed.map(listedAnswer),
      cannotKnow: [...(simulation.assumed === 0 ? [] : [assumedWords(simulation.assumed)]), ...NEVER_KNOWN],
    }
  }
}

function refuseWhereBusy(error: unknown): never {
  if (!(error instanceof GatewayError) || error.code !== 'TOO_MANY_CONNECTIONS') throw error
  throw new GatewayError('CONFLICT', 'Other simulations are running on this gateway: try again in a moment.')
}

function listedAnswer({ session, outcome }: ListedSession): SimulationAnswer['listed'][number] {
  const { id, user, account, target, database, source, startedAt, roles } = session
  return {
    ...{ session: id, user, account, target, source, startedAt: isoTime(startedAt), roles: [...roles] },
    ...(database === undefined ? {} : { database }),
    ...outcomeAnswer(session, outcome),
  }
}

function outcomeAnswer(
  session: RecordedSession,
  outcome: ListedSession['outcome'],
): Pick<SimulationAnswer['listed'][number], 'outcome' | 'why' | 'assumed' | 'onRequest' | 'channels' | 'wouldEndAt'> {
  switch (outcome.is) {
    case 'refused':
      return {
        outcome: outcome.is,
        why: outcome.why(),
        onRequest: outcome.onRequest().length > 0,
        assumed: [...outcome.assumed],
      }
    case 'narrower': {
      const { channels, endsAt, assumed } = outcome
      const lost = channels.length === 0 ? [] : [`without ${channels.join(', ')}`]
      const shorter = endsAt === undefined ? [] : [`ended ${minutes(session.endedAt! - endsAt)} earlier`]
      return {
        ...{
          outcome: outcome.is,
          why: [...lost, ...shorter].join('; '),
          assumed: [...assumed],
          channels: [...channels],
        },
        ...(endsAt === undefined ? {} : { wouldEndAt: isoTime(endsAt) }),
      }
    }
    case 'refused-already':
      return { outcome: outcome.is, why: 'what is in force now refuses it too', assumed: [...outcome.assumed] }
    case 'not-known':
      return { outcome: outcome.is, why: outcome.why, assumed: [] }
  }
}

function minutes(ms: number): string {
  const whole = Math.ceil(ms / 60_000)
  return whole === 1 ? 'a minute' : `${whole} minutes`
}

function assumedWords(count: number): string {
  const sessions = count === 1 ? '1 session is' : `${count} sessions are`
  return `${sessions} decided with a role that gave it then, and that its user does not hold any more.`
}
