/** Whether the gateway lives and is ready, and its metrics. No secrets, so that a load balancer may ask. */

import { constants } from 'node:fs'
import { access, mkdir, statfs } from 'node:fs/promises'
import { sql } from 'kysely'
import { AggregatorRegistry } from 'prom-client'
import { z } from 'zod'
import type { ApiParts } from '../parts.ts'
import type { ApiRoutes } from './route.ts'

const check = z.enum(['ok', 'unavailable'])
const healthSchema = z.object({
  status: z.enum(['ready', 'not-ready', 'stopping']),
  version: z.string(),
  checks: z.object({ database: check, cluster: check, recordings: check, workers: check }),
  /** Whether it was set while the gateway ran, and what it differs from now. A wrong clock makes no gateway unready. */
  clock: z.object({
    jumps: z.number(),
    differs: z.array(z.string()),
    /** How far the store's clock is ahead; null where the store has none. */
    storeAheadMs: z.number().nullable(),
  }),
  /** What all gateways of the store must have alike, and another one has otherwise. It makes no gateway unready. */
  settings: z.object({ differs: z.array(z.string()) }),
  /** Sessions that run in this gateway. */
  sessions: z.number(),
})
export type Health = z.output<typeof healthSchema>

/** Anyone may ask, so what it costs is asked at most this often. */
const CACHE_MS = 1000
const CHECK_TIMEOUT_MS = 2000
/** With less on a disk, no new session is taken. */
const LEAST_ROOM_BYTES = 8 * 1024 * 1024

export function health(app: ApiRoutes, parts: ApiParts): void {
  let known: { at: number; health: Promise<Health> } | undefined
  const failing = new Set<keyof Health['checks']>()

  function current(): Promise<Health> {
    const now = performance.now()
    if (known === undefined || now - known.at > CACHE_MS) known = { at: now, health: readHealth(parts, noteCheck) }
    return known.health
  }

  /** Why something is unavailable is for the log alone, once. */
  function noteCheck(name: keyof Health['checks'], fault: unknown): void {
    if (fault === undefined) failing.delete(name)
    else if (!failing.has(name)) {
      failing.add(name)
      parts.log.error({ err: fault, check: name }, 'the gateway is not ready')
    }
  }

  app.get(
    '/healthz',
    {
      exposeHeadRoute: true,
      schema: {
        summary: 'Ready for work: 200, else 503',
        tags: ['health'],
        response: { 200: healthSchema, 503: healthSchema },
      },
    },
    async (_request, reply) => {
      const health = await current()
      return reply.code(health.status === 'ready' ? 200 : 503).send(health)
    },
  )

  app.get(
    '/healthz/live',
    {
      exposeHeadRoute: true,
      schema: {
        summary: 'The process answers',
        tags: ['health'],
        response: { 200: z.object({ status: z.literal('live') }) },
      },
    },
    async () => ({ status: 'live' as const }),
  )

  app.get(
    '/metrics',
    {
      schema: { summary: 'Metrics for Prometheus', tags: ['health'], response: { 200: z.string() } },
    },
    async (_request, reply) => {
      const { metrics } = await parts.report()
      const registry = AggregatorRegistry.aggregate([...metrics])
      return reply.header('content-type', registry.contentType).send(await registry.metrics())
    },
  )
}

async function readHealth(
  {
    database,
    cluster,
    clockWatch,
    differingSettings,
    report,
    recordingsFolder,
    storeFolder,
    stopping,
    version,
  }: ApiParts,
  note: (name: keyof Health['checks'], fault: unknown) => void,
): Promise<Health> {
  const checked = async (name: keyof Health['checks'], work: Promise<unknown>) => {
    const fault = await faultOf(work)
    note(name, fault)
    return fault === undefined ? ('ok' as const) : ('unavailable' as const)
  }
  const [databaseCheck, recordings] = await Promise.all([
    checked('database', Promise.all([sql`select 1`.execute(database), storeFolder && roomFor(storeFolder)])),
    checked('recordings', roomFor(recordingsFolder)),
  ])
  const { sessions, taking } = await report()
  const checks = {
    database: databaseCheck,
    // What became of it is in the log already.
    cluster: cluster.available ? ('ok' as const) : ('unavailable' as const),
    recordings,
    workers: taking ? ('ok' as const) : ('unavailable' as const),
  }
  const ready = Object.values(checks).every(check => check === 'ok')
  return {
    status: stopping() ? 'stopping' : ready ? 'ready' : 'not-ready',
    version,
    checks,
    clock: { ...clockWatch.state, differs: [...clockWatch.state.differs] },
    settings: { differs: [...differingSettings()] },
    sessions,
  }
}

/** What a recorder needs, and a store: its folder (made where it is missing), and some room. */
async function roomFor(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await access(folder, constants.W_OK)
  const { bavail, bsize } = await statfs(folder)
  if (bavail * bsize < LEAST_ROOM_BYTES) throw new Error('the disk is full')
}

/** Why the work failed, or took too long; undefined when it did not. */
async function faultOf(work: Promise<unknown>): Promise<unknown> {
  const timeout = AbortSignal.timeout(CHECK_TIMEOUT_MS)
  const late = new Promise<never>((_resolve, reject) => {
    timeout.addEventListener('abort', () => reject(timeout.reason))
  })
  return Promise.race([work, late]).then(
    () => undefined,
    fault => fault,
  )
}
