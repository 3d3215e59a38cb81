/** A worker as its gateway knows it: starts the process, passes connections to it, and receives its messages. */

import { fork } from 'node:child_process'
import type { Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { AcceptedConnection, AcquireSlot } from '../../connections/accepted-connection.ts'
import type { ConnectionSlot, NoSlot } from '../../connections/connection-limits.ts'
import type { Source } from '../../identity/proof.ts'
import type { ProtocolName } from '../../protocols/registered.ts'
import { GatewayError, messageOf } from '../../shared/errors.ts'
import type { Report } from '../../shared/metrics.ts'
import { createRpc, type Rpc } from '../../shared/rpc.ts'
import type { KeyEncryptionKey } from '../../vault/key-encryption-key.ts'
import { createGatewayMethods, type GatewayMethods, type Services } from './gateway-methods.ts'
import type { Begin, FromWorker, ToWorker, WorkerMethods } from './messages.ts'

export interface WorkerProcessOptions extends Omit<Begin, 'kind' | 'gateway' | 'vaultKey'> {
  /** The worker's id (`gw_…-1`). */
  readonly id: string
  readonly vaultKey: KeyEncryptionKey
  readonly services: Omit<Services, 'acquireSlot' | 'acquireInnerSlot'>
}

/** How the process ended; `told`: because it was told to. */
export interface Exit {
  readonly told: boolean
  readonly how: string
}

/** A worker that is slower to report says what it said last. */
const REPORT_TIMEOUT_MS = 1000
/** Until a worker has taken a connection: then it is cut. */
const HAND_OVER_MS = 5000

export class WorkerProcess {
  readonly id: string
  readonly exited: Promise<Exit>
  /** How often in a row it did not answer `ping`. */
  missed = 0
  readonly #process
  readonly #rpc: Rpc<WorkerMethods>
  readonly #forgetServices: () => void
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

  constructor({ id, vaultKey, services, ...begin }: WorkerProcessOptions) {
    this.id = id
    const { methods, close } = createGatewayMethods(
      {
        ...services,
        acquireSlot: (connection, source) => this.#acquireSlot(connection, source),
        // Of a balancer's own connections none has a slot.
        acquireInnerSlot: async connection => this.#slots.get(connection)?.acquireInner(),
      },
      (channel, payload) => this.#rpc.notify('deliver', channel, payload),
    )
    this.#rpc = createRpc<WorkerMethods, GatewayMethods>(methods, message => this.#send(message))
    this.#forgetServices = close
    this.#process = fork(new URL('./main.ts', import.meta.url), {
      serialization: 'advanced',
      // Whoever may send a signal must not get a debugger, and with it the vault key.
      execArgv: [...process.execArgv, '--disable-sigusr1'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#process.on('message', (message: FromWorker) => this.#hear(message))
    const exited = Promise.withResolvers<Exit>()
    this.exited = exited.promise
    const end = (how: string) => exited.resolve({ how, told: this.#told && how === 'exit code 0' })
    this.#process.on('error', error => {
      if (this.#process.pid === undefined) end(messageOf(error))
    })
    this.#process.once('exit', (code, signal) => end(signal ?? `exit code ${code}`))
    void this.exited.then(({ how }) => this.#gone(how))
    const bytes = vaultKey.keyObject.export()
    this.#send({ kind: 'begin', gateway: id, vaultKey: bytes, ...begin })
    bytes.fill(0)
  }

  get pid(): number | undefined {
    return this.#process.pid
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
    const message: ToWorker = { kind: 'connection', connection, protocol, source, ...how }
    this.#process.send(message, socket, { keepOpen: true }, error => {
      if (error !== null) this.#left(connection)
    })
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
    const slot = await this.#slotRequests.get(connection)!(source)
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
        this.#lastReport = report
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
    this.#process.kill('SIGKILL')
  }

  #send(message: ToWorker): void {
    // What cannot be sent was for a worker that is gone: its exit tells.
    if (this.#process.connected) this.#process.send(message, () => undefined)
  }

  #hear(message: FromWorker): void {
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
    onItsWay?.socket.destroy()
    this.#onTheirWay.delete(connection)
  }

  #left(connection: number): void {
    this.#arrived(connection)
    this.#slots.get(connection)?.release()
    this.#slots.delete(connection)
    this.#slotRequests.delete(connection)
    this.#connections.delete(connection)
  }

  #gone(how: string): void {
    this.#started.reject(new GatewayError('INTERNAL', `A worker ended before it was ready: ${how}.`))
    this.#rpc.close()
    this.#forgetServices()
    for (const connection of [...this.#connections]) this.#left(connection)
  }
}
