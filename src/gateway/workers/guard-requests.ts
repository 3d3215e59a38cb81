/** Lets a worker's requests through to what they ask for where the table has them so, and refuses all others. */

import type { SessionState } from '../../session/broker/create-broker.ts'
import { GatewayError } from '../../shared/errors.ts'
import type { GatewayMethods } from './gateway-methods.ts'
import { REQUESTS, type Request } from './requests.ts'

type Method = (...values: unknown[]) => unknown

/** So many sessions that are over are remembered: what comes late of one is no request of a session that never was. */
const MOST_OVER = 4096

export interface Guarded {
  readonly methods: GatewayMethods
  /** The session has ended: its counts are forgotten. */
  released(session: string): void
}

/** `refused` is told of every request that no worker of ours makes. */
export function guardRequests(
  methods: GatewayMethods,
  stateOf: (session: string) => SessionState | undefined,
  refused: (method: string, why: string) => void,
): Guarded {
  const counts = new Map<string, Map<string, number>>()
  const over = new Set<string>()

  function refuse(method: string, why: string): never {
    refused(method, why)
    throw new GatewayError('FORBIDDEN', `The gateway does not do ${method} for a worker: ${why}.`)
  }

  function checkSession(method: string, { when, times = Infinity, late }: Request<unknown>, session: string): void {
    const state = stateOf(session) ?? 'new'
    const isOver = state === 'over' || (state === 'new' && over.has(session))
    if (isOver && (late || when!.includes('over'))) {
      if (when!.includes('over')) return
      throw new GatewayError('SESSION_ENDED', 'The session has ended.')
    }
    if (isOver || !when!.includes(state)) refuse(method, `the session is ${isOver ? 'over' : state}`)
    const known = counts.get(session) ?? new Map<string, number>()
    counts.set(session, known)
    const count = (known.get(method) ?? 0) + 1
    known.set(method, count)
    if (count > times) refuse(method, `more than ${times} times for one session`)
  }

  function guarded(name: string, request: Request<unknown>): Method {
    const method = methods[name as keyof GatewayMethods] as Method
    return (...values) => {
      const parsed = request.values.safeParse(values)
      if (!parsed.success) {
        const [issue] = parsed.error.issues
        return refuse(name, `value ${issue!.path.join('.')}: ${issue!.message}`)
      }
      if (request.when !== undefined) checkSession(name, request, String(values[0]))
      return Reflect.apply(method, methods, parsed.data as unknown[])
    }
  }

  const all = Object.entries(REQUESTS as Record<string, Request<unknown>>)
  return {
    methods: Object.fromEntries(all.map(([name, request]) => [name, guarded(name, request)])) as never,
    released(session) {
      counts.delete(session)
      over.add(session)
      for (const oldest of over) {
        if (over.size <= MOST_OVER) break
        over.delete(oldest)
      }
    },
  }
}
