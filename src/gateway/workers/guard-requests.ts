/** Lets a worker's requests through to what they ask for where the table has them so, and refuses all others. */

import type { SessionState } from '../../session/broker/create-broker.ts'
import { GatewayError } from '../../shared/errors.ts'
import type { GatewayMethods } from './gateway-methods.ts'
import { Allowance } from './rate.ts'
import { REQUESTS, type Request } from './requests.ts'

type Method = (...values: unknown[]) => unknown

/** So many sessions that are over are remembered: what comes late of one is no request of a session that never was. */
const MOST_OVER = 4096
/** So many requests of one worker may wait for their answers: logins that are being typed are among them. */
const MOST_AT_ONCE = 10_000
/** What a refusal says of a request: its words may be the worker's own. */
const MOST_SAID = 256

export interface Guarded {
  readonly methods: GatewayMethods
  /** The session has ended: its counts are forgotten. */
  released(session: string): void
  /** Whether it was one of this worker's, and has ended. */
  wasHere(session: string): boolean
}

/** What was asked for one session, or by the worker. */
class Counts {
  readonly #counts = new Map<string, number>()
  readonly #allowances = new Map<string, Allowance>()

  next(method: string): number {
    const count = (this.#counts.get(method) ?? 0) + 1
    this.#counts.set(method, count)
    return count
  }

  isWithin(method: string, { rate }: Request<unknown>): boolean {
    if (rate === undefined) return true
    const now = performance.now()
    const allowance = this.#allowances.get(method) ?? new Allowance(rate, now)
    this.#allowances.set(method, allowance)
    return allowance.take(now)
  }
}

/** `refused` is told of every request that no worker of ours makes. */
export function guardRequests(
  methods: GatewayMethods,
  stateOf: (session: string) => SessionState | undefined,
  refused: (method: string, why: string) => void,
): Guarded {
  const ofSessions = new Map<string, Counts>()
  const ofWorker = new Counts()
  const over = new Set<string>()
  const running = new Map<string, number>()
  let allRunning = 0

  function refuse(method: string, why: string): never {
    const said = why.slice(0, MOST_SAID)
    refused(method, said)
    throw new GatewayError('FORBIDDEN', `The gateway does not do ${method} for a worker: ${said}.`)
  }

  function tooMany(method: string): never {
    throw new GatewayError('TOO_MANY_CONNECTIONS', `Too much is asked for at once (${method}); try again in a moment.`)
  }

  /** The counts of the session, which has come as far as it must have. */
  function countsOf(method: string, { when, late }: Request<unknown>, session: string): Counts | undefined {
    const state = stateOf(session) ?? 'new'
    const isOver = state === 'over' || (state === 'new' && over.has(session))
    if (isOver && (late || when!.includes('over'))) {
      if (when!.includes('over')) return undefined
      throw new GatewayError('SESSION_ENDED', 'The session has ended.')
    }
    if (isOver || !when!.includes(state)) refuse(method, `the session is ${isOver ? 'over' : state}`)
    const known = ofSessions.get(session) ?? new Counts()
    ofSessions.set(session, known)
    return known
  }

  async function run(name: string, method: Method, values: readonly unknown[]): Promise<unknown> {
    running.set(name, (running.get(name) ?? 0) + 1)
    allRunning++
    try {
      return await Reflect.apply(method, methods, values)
    } finally {
      running.set(name, running.get(name)! - 1)
      allRunning--
    }
  }

  function guarded(name: string, request: Request<unknown>): Method {
    const method = methods[name as keyof GatewayMethods] as Method
    const { atOnce = MOST_AT_ONCE } = request
    return (...values) => {
      const parsed = request.values.safeParse(values)
      if (!parsed.success) {
        const [issue] = parsed.error.issues
        return refuse(name, `value ${issue!.path.join('.')}: ${issue!.message}`)
      }
      const counts = request.when === undefined ? ofWorker : countsOf(name, request, String(values[0]))
      if (request.times !== undefined && counts !== undefined && counts.next(name) > request.times)
        refuse(name, `more than ${request.times} times for one session`)
      if (counts?.isWithin(name, request) === false) tooMany(name)
      if (allRunning >= MOST_AT_ONCE || (running.get(name) ?? 0) >= atOnce) tooMany(name)
      return run(name, method, parsed.data as unknown[])
    }
  }

  const all = Object.entries(REQUESTS as Record<string, Request<unknown>>)
  return {
    methods: Object.fromEntries(all.map(([name, request]) => [name, guarded(name, request)])) as never,
    released(session) {
      ofSessions.delete(session)
      over.add(session)
      for (const oldest of over) {
        if (over.size <= MOST_OVER) break
        over.delete(oldest)
      }
    },
    wasHere: session => over.has(session),
  }
}
