/** What a worker does: it serves the connections that its gateway hands over, and asks it for what it needs of users, targets and the vault. */

import { access, constants, mkdir } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { createClusterClient } from '../../cluster/client.ts'
import type { ConnectionSlot } from '../../connections/connection-limits.ts'
import type { Source } from '../../identity/proof.ts'
import { endReasonOf } from '../../session/state.ts'
import type { Clock } from '../../shared/clock.ts'
import { GatewayError, messageOf } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { createRpc, failureOf, type Remote, type Rpc } from '../../shared/rpc.ts'
import { createListeners, type Listeners } from '../listeners.ts'
import { fittingRemote } from './fitting-remote.ts'
import type { GatewayMethods } from './gateway-methods.ts'
import type { Begin, FromWorker, ToWorker, WorkerMethods } from './messages.ts'
import { createRemoteBroker } from './remote-broker.ts'
import { createWorkerParts, type WorkerParts } from './worker-parts.ts'

/** What a worker has of the process that it runs in. */
export interface WorkerHost {
  /** What cannot be sent has nobody to hear it: without its gateway the worker ends. */
  send(message: FromWorker): void
  clock: Clock
  logFor(begin: Begin): Promise<Log>
  /** The worker is over. */
  exit(code: number): void
  /** It serves from now on. */
  serving?(parts: WorkerParts): void
}

/** Serves from the first message, which is `begin`, until it is told to drain. Returns what takes the messages. */
export function serve(host: WorkerHost): (message: ToWorker, socket?: Socket) => void {
  let receive: ((message: ToWorker, socket?: Socket) => void) | undefined
  return (message, socket) => {
    if (message.kind !== 'begin') {
      receive?.(message, socket)
      return
    }
    const worker = new Worker(host, message)
    worker
      .ready()
      .then(() => host.send({ kind: 'ready' }))
      .catch(error => {
        host.send({ kind: 'failed', failure: failureOf(error) })
        host.exit(1)
      })
    receive = (next, from) => worker.receive(next, from)
  }
}

class Worker {
  readonly #host: WorkerHost
  readonly #started = new AsyncDisposableStack()
  readonly #rpc: Rpc<GatewayMethods>
  readonly #gateway: Remote<GatewayMethods>
  readonly #ready: Promise<void>
  readonly #hurry = new AbortController()
  readonly #connections = new Map<number, Socket>()
  #listeners: Listeners | undefined
  #parts: WorkerParts | undefined

  constructor(host: WorkerHost, begin: Begin) {
    this.#host = host
    const own: WorkerMethods = {
      deliver: (channel, payload) => client.deliver(channel, payload),
      report: async () => {
        if (this.#listeners === undefined) throw new GatewayError('INTERNAL', 'The worker is not ready yet.')
        return this.#listeners.report()
      },
      nextProof: (session, first) => remoteBroker.methods.nextProof(session, first),
      askFor: (...question) => remoteBroker.methods.askFor(...question),
      brought: session => remoteBroker.methods.brought(session),
      ask: (session, question) => remoteBroker.methods.ask(session, question),
      tell: (session, line) => remoteBroker.methods.tell(session, line),
      notifySession: (session, text, short) => void this.#parts?.live.notify(session, text, short),
      endSession: (session, reason) => this.#parts?.live.end(session, endReasonOf(reason) ?? 'interrupted'),
    }
    this.#rpc = createRpc<GatewayMethods, WorkerMethods>(own, message => host.send(message))
    const remote = fittingRemote(this.#rpc)
    this.#gateway = remote
    const client = createClusterClient({ gateway: begin.gateway, remote })
    const logged = host.logFor(begin)
    let remoteBroker: ReturnType<typeof createRemoteBroker>
    this.#ready = logged.then(async log => {
      remoteBroker = createRemoteBroker(remote, log)
      if (begin.config.workersUser !== undefined) await checkFolder(begin.config.recording.folder)
      const { clock } = host
      const parts = await createWorkerParts(
        { begin, remote, ...remoteBroker, cluster: client.cluster, clock, log },
        this.#started,
      )
      this.#parts = parts
      this.#listeners = await createListeners(parts, begin.config, begin.certificates, this.#started)
      host.serving?.(parts)
    })
  }

  ready(): Promise<void> {
    return this.#ready
  }

  receive(message: ToWorker, socket?: Socket): void {
    switch (message.kind) {
      case 'begin':
        break
      case 'call':
      case 'answer':
        this.#rpc.receive(message)
        break
      case 'connection':
        this.#handle(message, socket)
        break
      case 'cut':
        this.#connections.get(message.connection)?.destroy()
        break
      case 'drain':
        void this.#drain(message.drainMs)
        break
      case 'hurry':
        this.#hurry.abort()
    }
  }

  async #drain(drainMs: number): Promise<void> {
    try {
      // Without listeners it is still starting: there is nothing to lose.
      await this.#listeners?.drain(drainMs, this.#hurry.signal)
      await this.#started.disposeAsync()
      this.#host.exit(0)
    } catch (error) {
      this.#parts?.log.error({ err: error }, 'the worker did not stop as it should')
      this.#host.exit(1)
    }
  }

  #handle(
    { connection, protocol, source, nonce, refused, balanced }: Extract<ToWorker, { kind: 'connection' }>,
    socket: Socket | undefined,
  ): void {
    const send = this.#host.send
    if (socket === undefined) {
      // It was closed on its way.
      send({ kind: 'disconnected', connection })
      return
    }
    send({ kind: 'entered', connection })
    this.#connections.set(connection, socket)
    socket.once('close', () => {
      this.#connections.delete(connection)
      send({ kind: 'disconnected', connection })
    })
    const slot = slotOf(connection, send, this.#gateway)
    const acquireSlot = async (origin: Source) =>
      (await this.#gateway.call('acquireSlot', connection, { address: origin.address, port: origin.port })) ?? slot
    this.#listeners!.handle(protocol, {
      socket,
      source,
      nonce,
      slot: balanced ? acquireSlot : (refused ?? slot),
      onEvict: () => undefined,
    })
  }
}

/** Throws `CONFIG_INVALID` now, and not at the first session, where recordings cannot be written as this user. */
async function checkFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (cause) {
    const how = `recording.folder: the workers cannot write to ${folder}: ${messageOf(cause)}. It must belong to their user`
    throw new GatewayError('CONFIG_INVALID', `${how}, and lie where they get to: not in a dataFolder of another's.`, {
      cause,
    })
  }
}

/** The slot itself is the gateway's to count. */
function slotOf(connection: number, send: WorkerHost['send'], gateway: Remote<GatewayMethods>): ConnectionSlot {
  return {
    reached: stage => send({ kind: 'reached', connection, stage }),
    blame: fault => send({ kind: 'blamed', connection, fault }),
    authenticated: () => send({ kind: 'authenticated', connection }),
    acquireInner: () => gateway.call('acquireInnerSlot', connection),
    releaseInner: () => send({ kind: 'inner-released', connection }),
    release: () => undefined,
  }
}
