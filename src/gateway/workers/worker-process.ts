/** A worker as its gateway knows it: starts the process, passes connections to it, and receives its messages. */

import type { Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import type { WatchedSession } from '../../check-out/watch.ts'
import type { AcceptedConnection, AcquireSlot } from '../../connections/accepted-connection.ts'
import type { ConnectionSlot, NoSlot } from '../../connections/connection-limits.ts'
import type { Source } from '../../identity/proof.ts'
import type { ProtocolName } from '../../protocols/registered.ts'
import type { HeldSessions } from '../../session/broker/create-broker.ts'
import type { OwnKeys } from '../../session/served-protocol.ts'
import type { EndReason } from '../../session/state.ts'
import { GatewayError } from '../../shared/errors.ts'
import type { Report } from '../../shared/metrics.ts'
import { createRpc, type Rpc } from '../../shared/rpc.ts'
import type { GatewayParts } from '../parts.ts'
import type { ServedProtocols } from '../protocols.ts'
import { brokerFor } from './broker-for.ts'
import { type Claim, createGatewayMethods, type GatewayMethods } from './gateway-methods.ts'
import { guardRequests } from './guard-requests.ts'
import type { KeyProofs } from './key-proofs.ts'
import { RemoteLoginClient } from './login-client.ts'
import { type Begin, type FromWorker, fromWorker, type ToWorker, type WorkerMethods } from './messages.ts'
import type { OpenChannel, WorkerChannel } from './worker-channel.ts'
import { createWorkerCluster } from './worker-cluster.ts'

export interface WorkerProcessOptions {
  readonly begin: Begin
  readonly parts: GatewayParts
  readonly served: ServedProtocols
  /** By protocol: those that were handed over. */
  readonly ownKeys: Readonly<Record<string, OwnKeys>>
  /** The ids of the gateway's workers that are alive. */
  readonly ids: ReadonlySet<string>
  readonly openChannel: OpenChannel
  /** For which session here each connection has proven a key. */
  readonly keyProofs: KeyProofs
}

/** How the process ended; `told`: because it was told to. */
export interface Exit {
  readonly told: boolean
  readonly how: string
}

/** A worker that is slower to report says what it said last. */
const REPORT_TIMEOUT_MS = 1000
/** A person may look for a code for long, a client that stays has a time limit of its own: whatever the worker says, it ends. */
const LONGEST_LOGIN_MS = 15 * 60_000
/** So many requests are refused before a worker is killed. */
const MOST_REFUSED = 8

const reportSchema = z.object({
  sessions: z.number().int().min(0).max(1_000_000),
  taking: z.boolean(),
  metrics: z
    .array(
      z.array(
        z.looseObject({
          help: z.string(),
          name: z.string(),
          type: z.string(),
          aggregator: z.string(),
          values: z.array(z.looseObject({ value: z.number(), labels: z.record(z.string(), z.unknown()) })),
        }),
      ),
    )
    .max(4),
})
/** Until a worker has taken a connection: then it is cut. */
const HAND_OVER_MS = 5000

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
  /** Where its connections come from, as far as that is known. */
  readonly #sources = new Map<number, Source>()
  #refusals = 0
  readonly #started = Promise.withResolvers<void>()
  /** Connections that it has or is to have, those of them that hold a slot, and (below) those that it has not said yet that it has. */
  readonly #connections = new Set<number>()
  readonly #slots = new Map<number, ConnectionSlot>()
  /** Of those whose source is not known yet. */
  readonly #slotRequests = new Map<number, AcquireSlot>()
  readonly #onTheirWay = new Map<number, { readonly socket: Socket; readonly patience: NodeJS.Timeout }>()
  #numbers = 0
  #told = false
  #lastReport: Report = { sessions: 0, taking: true, metrics: [] }

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
      loginOver: session => this.#logins.get(session)?.abort(),
      released: session => guarded.released(session),
      acquireSlot: (connection, source) => this.#acquireSlot(connection, source),
      // Of a balancer's own connections none has a slot.
      acquireInnerSlot: async connection => this.#slots.get(connection)?.acquireInner(),
    })
    const guarded = guardRequests(methods, this.#broker.stateOf, (method, why) => this.#refused(method, why))
    this.#rpc = createRpc<WorkerMethods, GatewayMethods>(
      guarded.methods,
      message => this.#channel.send(message),
      method => this.#refused(method, 'there is no such request'),
    )
    this.#channel = openChannel()
    this.#channel.onMessage(message => this.#hear(message))
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

  get lastReport(): Report {
    return this.#lastReport
  }

  /** Resolves when it takes connections. Throws what keeps it from starting. */
  ready(): Promise<void> {
    return this.#started.promise
  }

  take(protocol: ProtocolName, { socket, source, slot, onEvict }: AcceptedConnection): void {
    const connection = ++this.#numbers
    this.#connections.add(connection)
    const how = this.#noteOf(connection, slot)
    onEvict(() => this.#send({ kind: 'cut', connection }))
    // It stays open here until the worker has it: what is lost on the way would be open for ever.
    this.#onTheirWay.set(connection, { socket, patience: setTimeout(() => this.#left(connection), HAND_OVER_MS) })
    const { address, port } = source
    if (!('balanced' in (how ?? {}))) this.#sources.set(connection, { address, port })
    this.#channel.send(
      { kind: 'connection', connection, protocol, source: { address, port }, ...how },
      socket,
      error => {
        if (error !== null) this.#left(connection)
      },
    )
  }

  #noteOf(connection: number, slot: AcceptedConnection['slot']): { refused: NoSlot } | { balanced: true } | undefined {
    if (typeof slot === 'function') {
      this.#slotRequests.set(connection, slot)
      return { balanced: true }
    }
    if ('full' in slot) return { refused: slot }
    this.#slots.set(connection, slot)
    return undefined
  }

  async #acquireSlot(connection: number, source: Source): Promise<NoSlot | undefined> {
    const acquire = this.#slotRequests.get(connection)
    if (acquire === undefined) throw new GatewayError('FORBIDDEN', 'The source of this connection is known.')
    this.#slotRequests.delete(connection)
    const slot = await acquire(source)
    if (this.#connections.has(connection)) this.#sources.set(connection, source)
    if ('full' in slot) return slot
    // It may have left while it waited.
    if (this.#connections.has(connection)) this.#slots.set(connection, slot)
    else slot.release()
    return undefined
  }

  async report(): Promise<Report> {
    const late = new AbortController()
    const reported = this.#rpc.call('report').then(
      report => {
        this.missed = 0
        const parsed = reportSchema.safeParse(report)
        if (parsed.success) this.#lastReport = parsed.data as unknown as Report
        else this.#refused('report', parsed.error.issues[0]?.message ?? 'no report')
      },
      () => undefined,
    )
    await Promise.race([reported, pause(REPORT_TIMEOUT_MS, undefined, { signal: late.signal }).catch(() => undefined)])
    late.abort()
    return this.#lastReport
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

  kill(): void {
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
      downstream: { notify: text => this.#rpc.notify('notifySession', grant.session, text) },
    }))
  }

  /** A client of one of its connections, for as long as it logs in. */
  #clientOf(session: string, claim: Claim): RemoteLoginClient {
    const { keyProofs, served } = this.#options
    const { protocol, login, source } = claim
    if (claim.outer === undefined && !this.#sources.values().some(known => isSame(known, source))) {
      this.#refused('admit', `it has no connection from ${source.address}:${source.port}`)
      throw new GatewayError('FORBIDDEN', 'There is no such connection.')
    }
    const over = new AbortController()
    this.#logins.set(session, over)
    const cut = AbortSignal.any([this.#over.signal, AbortSignal.timeout(LONGEST_LOGIN_MS)])
    return new RemoteLoginClient({
      ...{ session, claim, worker: this.#rpc, cut },
      loginOver: AbortSignal.any([over.signal, cut]),
      provesKey: proof => {
        const connection = served.of(protocol).connectionOfKeyProof?.(proof, login)
        return connection !== undefined && keyProofs.isOf(connection, session)
      },
      refused: why => this.#refused('nextProof', why),
    })
  }

  /** What no worker of ours asks: it may be somebody else's by now. */
  #refused(request: string, why: string): void {
    const { parts } = this.#options
    const { audit, log, metrics } = parts
    metrics.workerRequestsRefused.inc()
    if (++this.#refusals > MOST_REFUSED) return
    const facts = { worker: this.id, request: request.slice(0, 64), why }
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
      case 'entered':
        if (this.#connections.has(message.connection)) this.#arrived(message.connection)
        else this.#send({ kind: 'cut', connection: message.connection })
        break
      case 'authenticated':
        this.#slots.get(message.connection)?.authenticated()
        break
      case 'inner-released':
        this.#slots.get(message.connection)?.releaseInner()
        break
      case 'reached':
        this.#slots.get(message.connection)?.reached(message.stage)
        break
      case 'blamed':
        this.#slots.get(message.connection)?.blame(message.fault)
        break
      case 'disconnected':
        this.#left(message.connection)
        break
      case 'call':
      case 'answer':
        this.#rpc.receive(message)
    }
  }

  /** The worker has it, or never will: what is open of it here is closed. */
  #arrived(connection: number): void {
    const onItsWay = this.#onTheirWay.get(connection)
    clearTimeout(onItsWay?.patience)
    if (this.#channel.copiesSockets) onItsWay?.socket.destroy()
    this.#onTheirWay.delete(connection)
  }

  #left(connection: number): void {
    this.#arrived(connection)
    this.#slots.get(connection)?.release()
    this.#slots.delete(connection)
    this.#slotRequests.delete(connection)
    this.#sources.delete(connection)
    this.#connections.delete(connection)
  }

  #gone(how: string): void {
    this.#started.reject(new GatewayError('INTERNAL', `A worker ended before it was ready: ${how}.`))
    this.#rpc.close()
    this.#over.abort()
    this.#forgetCluster()
    this.#logins.clear()
    for (const connection of [...this.#connections]) this.#left(connection)
  }
}

function isSame(one: Source, other: Source): boolean {
  return one.address === other.address && one.port === other.port
}
