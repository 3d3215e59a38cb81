/** Asks a server, by a login of the account, which backends it still has of sessions that are over; and ends those that nobody is connected to. */

import type { LoginAtTarget } from '../../../session/login-at-target.ts'
import {
  type Asked,
  isWithin,
  type LeftBehind,
  MOST_LEFT,
  type PastSession,
  type Remains,
} from '../../../session/remains.ts'
import { GatewayError } from '../../../shared/errors.ts'
import { printable } from '../../../shared/text/printable.ts'
import { secretsOf } from '../../../vault/lease.ts'
import { connectUpstream, ownParameters } from '../target-side/upstream.ts'
import { openSqlSession, type SqlSession } from './sql-session.ts'

/** Of the role that asks: names are qualified, so that nobody's search path is in the way. No statement is asked for: it may hold a secret. */
const BACKENDS = `SELECT pg_catalog.pg_backend_pid(), coalesce(pg_catalog.json_agg(pg_catalog.json_build_array(
    a.pid, (extract(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) a.backend_start) OPERATOR(pg_catalog.*) 1000)::bigint,
    coalesce(a.backend_type, 'backend'), coalesce(a.state, ''))), '[]')
  FROM pg_catalog.pg_stat_activity a WHERE a.usename OPERATOR(pg_catalog.=) session_user
    AND a.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()`
const MOST_NAME = 60
/** After a backend was told to end, it is looked so often. */
const LOOKS = 10
const PAUSE_SECONDS = 0.2

interface Backend {
  readonly processId: number
  readonly ageMs: number
  readonly what: string
}

export async function remainsAtServer(login: LoginAtTarget, asked: Asked, signal: AbortSignal): Promise<Remains[]> {
  const askedAt = performance.now()
  const upstream = await connectUpstream(login, target => ownParameters(login, target), signal)
  const session = openSqlSession(upstream, [...secretsOf(login.material), ...(login.opened ?? [])], signal)
  try {
    const { ownId, backends } = await backendsOf(session)
    if (ownId !== upstream.startup.processId) {
      const words =
        'a connection pooler stands between the gateway and the server: its processes are not known by their numbers'
      return asked.past.map(() => ({ is: 'unknown', words, lasting: true }))
    }
    const tookMs = performance.now() - askedAt
    const past = asked.past.map(one => ({
      ...one,
      startedAgoMs: one.startedAgoMs + tookMs,
      endedAgoMs: one.endedAgoMs + tookMs,
    }))
    const ofOpen = new Set(asked.open.map(({ atTarget }) => atTarget.processId))
    const ofPast = new Set(past.map(({ atTarget }) => atTarget.processId))
    const remains: Remains[] = []
    for (const one of past) {
      const left = backends
        .filter(({ processId, ageMs }) => !ofOpen.has(processId) && !ofPast.has(processId) && isWithin(ageMs, one))
        .slice(0, MOST_LEFT)
        .map(({ processId, ageMs, what }): LeftBehind => ({ id: `process ${processId}`, what, ageMs }))
      remains.push({ is: 'seen', connection: await endBackend(session, backends, one), left })
    }
    return remains
  } finally {
    session.close()
  }
}

/** Its client is gone; in a long statement the server would notice that at its end. */
async function endBackend(session: SqlSession, backends: readonly Backend[], past: PastSession) {
  const { processId } = past.atTarget
  if (processId === undefined) return 'unknown'
  const isIts = (one: Backend) => one.processId === processId && isWithin(one.ageMs, past)
  if (!backends.some(isIts)) return 'gone'
  await session.ask(`SELECT pg_catalog.pg_terminate_backend(${processId})`)
  for (let look = 0; look < LOOKS; look++) {
    const { backends: now } = await backendsOf(session)
    if (!now.some(one => one.processId === processId)) return 'ended'
    await session.ask(`SELECT pg_catalog.pg_sleep(${PAUSE_SECONDS})`)
  }
  return 'open'
}

async function backendsOf(session: SqlSession): Promise<{ ownId: number; backends: Backend[] }> {
  const answer = await session.ask(BACKENDS)
  if (answer.kind !== 'done')
    throw new GatewayError('TARGET_LOGIN_FAILED', 'The server does not say which backends it has.')
  const [ownId, listed] = answer.row
  const rows = JSON.parse(listed ?? '[]') as [number, number, string, string][]
  return {
    ownId: Number(ownId),
    backends: rows.map(([processId, ageMs, type, state]) => ({
      ...{ processId, ageMs },
      what: printable(state === '' ? type : `${type}, ${state}`).slice(0, MOST_NAME),
    })),
  }
}
