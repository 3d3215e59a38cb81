/** The sessions that run in this gateway: their deadlines, idle times and abort signals; kill and follow reach the others. */

import type { SessionCluster } from '../../cluster/cluster.ts'
import type { Grant, GrantEnd } from '../../policy/grant.ts'
import { type Clock, elapsed } from '../../shared/clock.ts'
import { GatewayError } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import type { Downstream } from '../protocol.ts'
import { type DecidedAnew, type EndReason, endReasonOf, NOT_DECIDED } from '../state.ts'
import { Deadline, type Moment, SAME_END_MS } from './deadline.ts'
import { type EndWords, movedWords, warningWords } from './end-words.ts'

const TICK_MS = 1000
/** So many sessions of this process: each asks the store a handful of questions. */
const DECIDED_AT_ONCE = 8
const KILL_CHANNEL = 'session-kill'
const NOTICE_CHANNEL = 'session-notice'
const ACCESS_CHANNEL = 'access-changed'
/** On that channel, behind who says it: nothing is new, but who did not hear of the last change hears of it now. */
const AGAIN = 'again'
const REQUEST_CHANNEL = 'request-ended'
/** The id of a request of which something has changed. */
export const REQUEST_CHANGED_CHANNEL = 'access-requests'

/** The abort reason of a session's signal: why it must end. */
export class SessionEnd extends Error {
  readonly reason: EndReason

  constructor(reason: EndReason) {
    super(reason)
    this.name = 'SessionEnd'
    this.reason = reason
  }
}

export class LiveSession {
  readonly grant: Grant
  readonly downstream: Downstream
  /** Decides anew whether the session may go on, and until when. */
  readonly stillAllowed: () => Promise<DecidedAnew>
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  readonly #controller = new AbortController()
  readonly #deadline: Deadline
  readonly #moment: () => Moment
  #busy = false
  #lastActivity: Moment

  constructor(grant: Grant, downstream: Downstream, stillAllowed: LiveSession['stillAllowed'], moment: () => Moment) {
    const now = moment()
    this.#moment = moment
    this.grant = grant
    this.downstream = downstream
    this.stillAllowed = stillAllowed
    this.startedAt = now.time
    this.#lastActivity = now
    this.#deadline = new Deadline(grant.ends, now)
  }

  get id(): string {
    return this.grant.session
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Ends the session from outside; the first reason stays. */
  abort(reason: EndReason): void {
    this.#controller.abort(new SessionEnd(this.#isTimeOver(reason) ? 'deadline' : reason))
  }

  /** The time of its request is over: whether that is seen here first, or by who ends the request then, it is one reason. */
  #isTimeOver(reason: EndReason): boolean {
    return (
      reason === 'request-ended' &&
      this.#deadline.end.endsBy === 'request' &&
      this.#deadline.leftMs(this.#moment()) < SAME_END_MS
    )
  }

  /** Called for every chunk of traffic, so it only raises a flag; the tick reads the time. */
  readonly activity = (): void => {
    this.#busy = true
  }

  /** It was decided anew: its person is told where it ends at another time. */
  endAt(end: GrantEnd, now: Moment): void {
    if (this.#deadline.move(end, now)) this.#tell(movedWords(this.grant, end, now.time, this.#deadline.leftMs(now)))
  }

  #tell({ text, short }: EndWords): void {
    this.downstream.notify(text, short)
  }

  tick(now: Moment): void {
    if (this.#busy) {
      this.#busy = false
      this.#lastActivity = now
    }
    const { idleMs } = this.grant
    const leftMs = this.#deadline.leftMs(now)
    const quietMs = Math.max(now.time - this.#lastActivity.time, now.elapsed - this.#lastActivity.elapsed)
    if (this.#deadline.warns(now)) this.#tell(warningWords(this.grant, this.#deadline.end, now.time, leftMs))
    if (leftMs <= 0) this.abort('deadline')
    else if (idleMs !== undefined && quietMs >= idleMs) this.abort('idle')
  }
}

/** What ends like a session and is none: a login that names no target. */
export interface Watched {
  readonly id: string
  /** Decides anew whether it may go on. */
  stillAllowed(): Promise<boolean>
  abort(reason: EndReason): void
  /** Every second. */
  tick(): void
}

export interface LiveSessions {
  add(authorized: Pick<LiveSession, 'grant' | 'stillAllowed'>, downstream: Downstream): LiveSession
  remove(session: LiveSession): void
  /** Ends it when access is withdrawn, or all is ended. It does not count. Returns an unsubscribe function. */
  watch(one: Watched): () => void
  /** Whether this one may go on, and until when: as after a change of access. */
  decideAnew(session: LiveSession): Promise<void>
  readonly count: number
  has(id: string): boolean
  ids(): string[]
  all(): readonly LiveSession[]
  /** Ends a session of this gateway; nothing when it is not here. */
  end(id: string, reason: EndReason): void
  /** Ends the session wherever it runs; not given: because an administrator wants it. Resolves once the wish is delivered. */
  kill(id: string, reason?: EndReason): Promise<void>
  /** Ends whatever rests on this approved request, wherever it runs. Resolves once the wish is delivered. */
  requestEnded(request: string): Promise<void>
  /** Words to the session's person, wherever it runs; `short`: see `Downstream.notify`. Resolves once they are delivered; best effort from there on. */
  notify(id: string, text: string, short?: string): Promise<void>
  /** Looks at deadlines and idle times now; it happens every second by itself. */
  tick(): void
  /** After a change of users, roles or targets: every session, on every gateway, is decided anew. */
  accessChanged(): Promise<void>
  /** The same without a change: that of before may not have reached every gateway. */
  tellAgain(): Promise<void>
  /** Calls the listener after every such change, on whichever gateway it was made; `again`: without one. Returns an unsubscribe function. */
  onAccessChange(listener: (again: boolean) => void): () => void
  /** Grows with every change of access that reaches this gateway: a decision made before it may be out of date. */
  readonly accessChanges: number
  notifyAll(text: string): void
  abortAll(reason: EndReason): void
  /** Resolves when no session is left, after `timeoutMs`, or when `hurry` aborts. */
  drained(timeoutMs: number, hurry?: AbortSignal): Promise<void>
  close(): Promise<void>
}

export async function createLiveSessions(parts: {
  cluster: SessionCluster
  clock: Clock
  log: Log
}): Promise<LiveSessions> {
  const { cluster, clock, log } = parts
  const sessions = new Map<string, LiveSession>()
  const watched = new Set<Watched>()
  const waiting = new Set<() => void>()
  const listeners = new Set<(again: boolean) => void>()
  let accessChanges = 0
  const moment = (): Moment => ({ time: clock.now(), elapsed: elapsed(clock) })

  function tick(): void {
    const now = moment()
    for (const session of sessions.values()) session.tick(now)
    for (const one of watched) one.tick()
  }

  function endRequest(request: string): void {
    for (const session of sessions.values()) if (session.grant.request === request) session.abort('request-ended')
  }

  async function decideAnew(again = false): Promise<void> {
    accessChanges++
    for (const listener of listeners) listener(again)
    // First the sessions: they end for a reason of their own, and not because the login around them went.
    await eachOf([...sessions.values()], decideSession)
    await eachOf([...watched], async one => {
      if (!(await decided(one, false))) one.abort('access-revoked')
    })
  }

  async function decideSession(session: LiveSession): Promise<void> {
    // It is ending, and that is why.
    if (session.signal.aborted) return
    const anew = await decided(session, NOT_DECIDED)
    if (anew.is === 'allowed') session.endAt(anew.ends, moment())
    else session.abort(anew.reason)
  }

  /** An error while deciding is a no. */
  function decided<T>(one: { readonly id: string; stillAllowed(): Promise<T> }, no: T): Promise<T> {
    return one.stillAllowed().catch(error => {
      // It has ended meanwhile, by whatever: there is nothing to decide any more.
      if (error instanceof GatewayError && error.code === 'SESSION_ENDED') return no
      log.error({ err: error, session: one.id }, 'the access could not be decided anew')
      return no
    })
  }

  /** More of it may have been approved. */
  async function requestChanged(request: string): Promise<void> {
    accessChanges++
    await eachOf(
      [...sessions.values()].filter(({ grant }) => grant.request === request),
      decideSession,
    )
  }

  async function decideEverywhere(again: boolean): Promise<void> {
    await decideAnew(again)
    const said = again ? `${cluster.gateway} ${AGAIN}` : cluster.gateway
    await cluster.publish(ACCESS_CHANNEL, Buffer.from(said, 'utf8')).catch(error => {
      const message = 'The other gateways could not be told of the change; apply it again when the cluster is back.'
      throw new GatewayError('CLUSTER_UNAVAILABLE', message, { cause: error })
    })
  }

  const unsubscribes = await Promise.all([
    cluster.subscribe(KILL_CHANNEL, payload => {
      // Gateways of versions before name no reason.
      const [id = '', reason = ''] = payload.toString('utf8').split(' ')
      sessions.get(id)?.abort(endReasonOf(reason) ?? 'killed')
    }),
    cluster.subscribe(NOTICE_CHANNEL, payload => {
      const [id, text] = splitOnce(payload.toString('utf8'))
      sessions.get(id)?.downstream.notify(text)
    }),
    cluster.subscribe(ACCESS_CHANNEL, payload => {
      // Gateways of versions before say nothing of themselves.
      const [from, how] = payload.toString('utf8').split(' ')
      if (from !== cluster.gateway) void decideAnew(how === AGAIN)
    }),
    cluster.subscribe(REQUEST_CHANNEL, payload => endRequest(payload.toString('utf8'))),
    cluster.subscribe(REQUEST_CHANGED_CHANNEL, payload => void requestChanged(payload.toString('utf8'))),
  ])

  // What the others said while they could not be reached is lost.
  const forgetReturn = cluster.onReturn(() => void decideAnew())
  const ticker = setInterval(tick, TICK_MS).unref()

  return {
    add({ grant, stillAllowed }, downstream) {
      const session = new LiveSession(grant, downstream, stillAllowed, moment)
      sessions.set(grant.session, session)
      return session
    },
    remove(session) {
      sessions.delete(session.grant.session)
      if (sessions.size === 0) for (const wake of waiting) wake()
    },
    watch(one) {
      watched.add(one)
      return () => watched.delete(one)
    },
    decideAnew: decideSession,
    get count() {
      return sessions.size
    },
    has: id => sessions.has(id),
    ids: () => [...sessions.keys()],
    all: () => [...sessions.values()],
    end: (id, reason) => sessions.get(id)?.abort(reason),
    tick,
    async kill(id, reason = 'killed') {
      const local = sessions.get(id)
      if (local !== undefined) return local.abort(reason)
      // To a gateway of the version before, a reason would be part of the id.
      await cluster.publish(KILL_CHANNEL, Buffer.from(reason === 'killed' ? id : `${id} ${reason}`, 'utf8'))
    },
    async requestEnded(request) {
      endRequest(request)
      await cluster.publish(REQUEST_CHANNEL, Buffer.from(request, 'utf8'))
    },
    async notify(id, text, short) {
      const local = sessions.get(id)
      if (local !== undefined) return local.downstream.notify(text, short)
      await cluster.publish(NOTICE_CHANNEL, Buffer.from(`${id} ${text}`, 'utf8'))
    },
    accessChanged: () => decideEverywhere(false),
    tellAgain: () => decideEverywhere(true),
    onAccessChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    get accessChanges() {
      return accessChanges
    },
    notifyAll(text) {
      for (const session of sessions.values()) session.downstream.notify(text)
    },
    abortAll(reason) {
      for (const one of [...sessions.values(), ...watched]) one.abort(reason)
    },
    drained(timeoutMs, hurry) {
      if (sessions.size === 0 || hurry?.aborted) return Promise.resolve()
      return new Promise(resolve => {
        const wake = () => {
          clearTimeout(timer)
          waiting.delete(wake)
          resolve()
        }
        const timer = setTimeout(wake, timeoutMs)
        waiting.add(wake)
        hurry?.addEventListener('abort', wake, { once: true })
      })
    },
    async close() {
      clearInterval(ticker)
      forgetReturn()
      await Promise.all(unsubscribes.map(unsubscribe => unsubscribe().catch(() => undefined)))
    },
  }
}

/** So many at once, each as soon as one before it is done. `act` never rejects. */
async function eachOf<T>(all: readonly T[], act: (one: T) => Promise<void>): Promise<void> {
  const left = all.values()
  await Promise.all(
    Array.from({ length: DECIDED_AT_ONCE }, async () => {
      for (const one of left) await act(one)
    }),
  )
}

function splitOnce(text: string): [string, string] {
  const at = text.indexOf(' ')
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}
