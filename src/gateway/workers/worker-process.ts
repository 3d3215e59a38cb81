/** A worker as its gateway knows it: starts the process, passes connections to it, and receives its messages. */

import { setTimeout as pause } from 'node:timers/promises'
import type { WatchedSession } from '../../check-out/watch.ts'
import type { AcceptedConnection } from '../../connections/accepted-connection.ts'
import type { Source } from '../../identity/proof.ts'
import type { ProtocolName } from '../../protocols/registered.ts'
import type { HeldSessions } from '../../session/broker/create-broker.ts'
import { KEEPS_REQUEST } from '../../session/protocol.ts'
import type { OwnKeys } from '../../session/served-protocol.ts'
import { onceAborted } from '../../session/session-end.ts'
import type { EndReason } from '../../session/state.ts'
import { GatewayError } from '../../shared/errors.ts'
import type { Report } from '../../shared/metrics.ts'
import { createRpc, type Rpc } from '../../shared/rpc.ts'
import type { GatewayParts } from '../parts.ts'
import type { ServedProtocols } from '../protocols.ts'
import { brokerFor } from './broker-for.ts'
import { type Claim, createGatewayMethods, type GatewayMethods } from './gateway-methods.ts'
import { guardRequests } from './guard-requests.ts'
import { RemoteLoginClient } from './login-client.ts'
import { type Begin, type FromWorker, fromWorker, type ToWorker, type WorkerMethods } from './messages.ts'
import { Allowance, type Rate } from './rate.ts'
import type { OpenChannel, WorkerChannel } from './worker-channel.ts'
import { createWorkerCluster } from './worker-cluster.ts'
import { WorkerConnections } from './worker-connections.ts'

export interface WorkerProcessOptions {
  readonly begin: Begin
  readonly parts: GatewayParts
  readonly served: ServedProtocols
  /** By protocol: those that were handed over. */
  readonly ownKeys: Readonly<Record<string, OwnKeys>>
  /** The ids of the gateway's workers that are alive. */
  readonly ids: ReadonlySet<string>
  readonly openChannel: OpenChannel
  /** Gives what a worker counted, or what is wrong with what it says. */
  readonly readReport: (said: unknown) => Report | string
}

/** How the process ended; `told`: because it was told to. */
export interface Exit {
  readonly told: boolean
  readonly how: string
}

/** A worker that is slower to report says what it said last. */
const REPORT_TIMEOUT_MS = 1000
/**
 * A person may look for a code for long, a client that stays has a time limit of its own: whatever the worker says, it ends. Who has proven who
 * they are may wait for longer (`waiting-logins.ts`).
 */
const LONGEST_LOGIN_MS = 15 * 60_000
/** So many requests are refused before a worker is killed. */
const MOST_REFUSED = 8

/** So many sessions and logins of one worker may be held for it, from their first question until it gives them back. */
const MOST_HELD = 20_000
/** More than any worker of ours sends: at each message the gateway has to look. */
const MESSAGES: Rate = { burst: 100_000, perSecond: 20_000 }
/** Sessions that are opened inside of one login: by many `ssh -J` at once, or from the menu. */
const INSIDE: Rate = { burst: 500, perSecond: 20 }

const NO_REPORT: Report = { sessions: 0, taking: true, metrics: [] }

export class WorkerProcess {
  readonly id: string
  readonly exited: Promise<Exit>
  /** How often in a row it did not answer `ping`. */
  missed = 0
  readonly #options: WorkerProcessOptions
  readonly #channel: WorkerChannel
  readonly #rpc: Rpc<WorkerMethods>
  readonly #broker: HeldSessions
  readonly #forgetCluster: () => void
  /** Aborted when it is gone. */
  readonly #over = new AbortController()
  /** Those that log in, each until it is released. */
  readonly #logins = new Map<string, AbortController>()
  /** How often something may still be opened inside of each. */
  readonly #inside = new Map<string, Allowance>()
  readonly #connections: WorkerConnections
  readonly #messages = new Allowance(MESSAGES, performance.now())
  #refusals = 0
  readonly #started = Promise.withResolvers<void>()
  #killed = false
  #told = false
  #lastReport: Report = NO_REPORT

  constructor(options: WorkerProcessOptions) {
    const { begin, parts, ids, openChannel } = options
    this.id = begin.gateway
    this.#options = options
    this.#broker = brokerFor(parts, this.id)
    const isMine = (session: string) => ['granted', 'lent'].includes(this.#broker.stateOf(session) ?? '')
    const cluster = createWorkerCluster({ cluster: parts.cluster, workers: ids }, isMine, (channel, payload) =>
      this.#rpc.notify('deliver', channel, payload),
    )
    this.#forgetCluster = cluster.close
    const methods = createGatewayMethods({
      ...options,
      ...{ audit: parts.audit, broker: this.#broker, cluster: cluster.methods },
      clientOf: (session, claim) => this.#clientOf(session, claim),
      loginOver: (session, keeps) => this.#logins.get(session)?.abort(keeps ? KEEPS_REQUEST : undefined),
      released: session => {
        this.#logins.delete(session)
        this.#inside.delete(session)
        guarded.released(session)
      },
      acquireSlot: (connection, source) => this.#connections.acquireSlot(connection, source),
      acquireInnerSlot: connection => this.#connections.acquireInnerSlot(connection),
      mayReport: ({ source, session }) => this.#mayReport(source, session, guarded.wasHere),
    })
    const guarded = guardRequests(methods, this.#broker.stateOf, (method, why) => this.#refused(method, why))
    this.#rpc = createRpc<WorkerMethods, GatewayMethods>(
      guarded.methods,
      message => this.#channel.send(message),
      method => this.#refused(method, 'there is no such request'),
    )
    this.#channel = openChannel()
    this.#connections = new WorkerConnections(this.#channel)
    this.#channel.onMessage(message => this.#hear(message))
    void this.#channel.broken.then(why => {
      this.#refused('channel', why)
      this.kill()
    })
    this.exited = this.#channel.exited.then(how => ({ how, told: this.#told && how === 'exit code 0' }))
    void this.exited.then(({ how }) => this.#gone(how))
    this.#channel.send(begin)
  }

  get pid(): number | undefined {
    return this.#channel.pid
  }

  /** How many connections it has. */
  get load(): number {
    return this.#connections.size
  }

  /** Of one that may be somebody else's nothing counts. */
  get lastReport(): Report {
    return this.#refusals > 0 ? NO_REPORT : this.#lastReport
  }

  /** Resolves when it takes connections. Throws what keeps it from starting. */
  ready(): Promise<void> {
    return this.#started.promise
  }

  take(protocol: ProtocolName, accepted: AcceptedConnection): void {
    this.#connections.take(protocol, accepted)
  }

  async report(): Promise<Report> {
    const late = new AbortController()
    const reported = this.#rpc.call('report').then(
      report => {
        this.missed = 0
        const read = this.#options.readReport(report)
        if (typeof read === 'string') this.#refused('report', read)
        else this.#lastReport = read
      },
      () => undefined,
    )
    await Promise.race([reported, pause(REPORT_TIMEOUT_MS, undefined, { signal: late.signal }).catch(() => undefined)])
    late.abort()
    return this.lastReport
  }

  /** Asks whether it is there: `missed` tells. */
  ping(): void {
    this.missed++
    void this.report()
  }

  /** No new sessions; the open ones are warned, and ended after `drainMs`. Then it exits. */
  drain(drainMs: number): void {
    this.#told = true
    this.#send({ kind: 'drain', drainMs })
  }

  hurry(): void {
    this.#send({ kind: 'hurry' })
  }

  /** What it has sent by then is not heard any more. */
  kill(): void {
    this.#killed = true
    this.#channel.kill()
  }

  /** Ends a session of it, which others have ended; false where it has none of this id. */
  endSession(session: string, reason: EndReason): boolean {
    if (this.#broker.stateOf(session) !== 'lent') return false
    this.#rpc.notify('endSession', session, reason)
    return true
  }

  /** The sessions that a credential was lent to, and that have not ended. */
  get sessions(): WatchedSession[] {
    return this.#broker.lent().map(({ grant, startedAt, accounts }) => ({
      ...{ grant, startedAt, accounts },
      abort: reason => void this.endSession(grant.session, reason),
      downstream: { notify: (...words) => this.#rpc.notify('notifySession', grant.session, ...words) },
    }))
  }

  /** A client of one of its connections, or one inside of a login, for as long as it logs in. */
  #clientOf(session: string, claim: Claim): RemoteLoginClient {
    const { served } = this.#options
    const { protocol, login } = claim
    if (this.#logins.size >= MOST_HELD) this.#forbid('admit', 'it gives back no sessions')
    const from = claim.outer === undefined ? this.#connections.forLogin(claim.source) : this.#inner(claim, claim.outer)
    if (from === undefined)
      return this.#forbid('admit', `it has no connection of ${claim.source.address}:${claim.source.port} for a login`)
    const { source, nonce, admitted } = from
    const over = new AbortController()
    this.#logins.set(session, over)
    const tooLong = new AbortController()
    const timer = setTimeout(() => tooLong.abort(), LONGEST_LOGIN_MS).unref()
    onceAborted(over.signal, () => clearTimeout(timer))
    const cut = AbortSignal.any([this.#over.signal, tooLong.signal])
    return new RemoteLoginClient({
      ...{ session, worker: this.#rpc, cut },
      admitted() {
        clearTimeout(timer)
        admitted()
      },
      claim: { ...claim, source },
      loginOver: AbortSignal.any([over.signal, cut]),
      provesKey: proof => nonce !== undefined && served.of(protocol).keySignedFor?.(proof, login, nonce) === true,
      refused: why => this.#refused('nextProof', why),
    })
  }

  /** Comes from where the login around it does, and by the same protocol; whose key that was is known there. */
  #inner({ protocol, source }: Claim, outer: string) {
    const around = this.#broker.login(outer)
    if (!isSame(source, around.source) || protocol !== around.protocol)
      this.#forbid('admit', `the login around it is one by ${around.protocol} from ${around.source.address}`)
    const allowance = this.#inside.get(outer) ?? new Allowance(INSIDE, performance.now())
    this.#inside.set(outer, allowance)
    if (!allowance.take(performance.now()))
      throw new GatewayError(
        'TOO_MANY_CONNECTIONS',
        'Too much is opened at once inside of one login; try again in a moment.',
      )
    return { source: around.source, nonce: undefined, admitted: () => undefined }
  }

  /** Of a connection that there is, in a session that came no further than its login here, or in none. */
  async #mayReport(
    source: string,
    session: string | undefined,
    wasHere: (session: string) => boolean,
  ): Promise<boolean> {
    if (!this.#connections.mayReport(source)) return false
    if (session === undefined) return true
    const { sessions, sessionRecords } = this.#options.parts
    const state = this.#broker.stateOf(session)
    if (state === 'asked' || state === 'login') return true
    if (state !== undefined) return false
    // No event in the name of a session, or a login, that is another's.
    return wasHere(session) ? (await sessions.get(session)) === undefined : !(await sessionRecords.isKnown(session))
  }

  #forbid(request: string, why: string): never {
    this.#refused(request, why)
    throw new GatewayError('FORBIDDEN', 'There is no such connection.')
  }

  /** What no worker of ours asks: it may be somebody else's by now. */
  #refused(request: string, why: string): void {
    const { parts } = this.#options
    const { audit, log, metrics } = parts
    metrics.workerRequestsRefused.inc()
    if (++this.#refusals > MOST_REFUSED) return
    const facts = { worker: this.id, request: request.slice(0, 64), why: why.slice(0, 256) }
    log.error(
      { alert: true, pid: this.pid, ...facts },
      'a worker asked for what no worker asks for: it may be taken over',
    )
    audit
      .append({ kind: 'worker.refused', actor: 'gateway', data: facts })
      .catch(error => log.error({ err: error, ...facts }, 'a refused request of a worker was not audited'))
    if (this.#refusals < MOST_REFUSED) return
    log.error(
      { alert: true, worker: this.id, pid: this.pid },
      'too many requests of a worker were refused: it is killed',
    )
    this.kill()
  }

  #send(message: ToWorker): void {
    this.#channel.send(message)
  }

  #hear(said: unknown): void {
    if (this.#killed) return
    if (!this.#messages.take(performance.now())) {
      this.#refused('message', 'more messages than any worker sends')
      this.kill()
      return
    }
    const parsed = fromWorker.safeParse(said)
    if (!parsed.success) {
      this.#refused('message', parsed.error.issues[0]?.message ?? 'no message')
      return
    }
    const message = parsed.data as FromWorker
    switch (message.kind) {
      case 'ready':
        this.#started.resolve()
        break
      case 'failed':
        this.#started.reject(new GatewayError(message.failure.code, message.failure.message))
        break
      case 'call':
      case 'answer':
        this.#rpc.receive(message)
        break
      default:
        this.#connections.hear(message)
    }
  }

  #gone(how: string): void {
    this.#started.reject(new GatewayError('INTERNAL', `A worker ended before it was ready: ${how}.`))
    this.#rpc.close()
    this.#over.abort()
    this.#forgetCluster()
    this.#logins.clear()
    this.#inside.clear()
    this.#connections.close()
  }
}

function isSame(one: Source, other: Source): boolean {
  return one.address === other.address && one.port === other.port
}
