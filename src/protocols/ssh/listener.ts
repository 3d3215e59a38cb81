/** The port people connect to: counts and bounds connections, takes them to the login name, and hands them to the pipeline. */

import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { Source } from '../../identity/proof.ts'
import type { Protocol, RunSession } from '../../session/protocol.ts'
import type { Clock } from '../../shared/clock.ts'
import { type ConnectionLimits, createConnectionLimits, type Place } from '../../shared/connection-limits.ts'
import { type ErrorCode, isRefusal } from '../../shared/errors.ts'
import { newId } from '../../shared/ids.ts'
import type { Log } from '../../shared/log.ts'
import type { Metrics } from '../../shared/metrics.ts'
import { parseLoginName } from '../../shared/names.ts'
import type { Secret } from '../../shared/secret.ts'
import { SshDownstream } from './downstream.ts'
import { parseHostKeys } from './host-keys.ts'
import type { SshLimits } from './limits.ts'
import { DISCONNECT, MESSAGE } from './messages.ts'
import { answerServiceRequest } from './service-request.ts'
import { type HostKeys, Transport, TransportViolation } from './transport.ts'
import type { SshUpstream } from './upstream.ts'
import { readRequest } from './user-authentication.ts'

/** How long one who is sent away may take to hear it. */
const GOODBYE_MS = 1_000

export interface SshListenerOptions {
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
  /** Private keys in PEM or OpenSSH form, at most one of a type. */
  readonly hostKeys: readonly Secret[]
  readonly limits: SshLimits
  readonly protocol: Protocol<SshDownstream, SshUpstream>
  readonly run: RunSession<SshDownstream, SshUpstream>
  /** Whether the key is one of the user's. False for users that do not exist, in the same time. */
  knowsPublicKey(user: string, blob: Buffer): Promise<boolean>
  /** A connection that never came to a login, for the audit log: over a limit, or not SSH at all. */
  refusedConnection?(source: Source, code: ErrorCode, why: string): void
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

export interface SshListener {
  /** Throws what `listen` throws (EADDRINUSE…). */
  listen(): Promise<{ host: string; port: number }>
  /** No new connections; the open ones go on. */
  stopAccepting(): void
  /** Ends every connection at once. Resolves when their sessions are over. */
  close(): Promise<void>
}

export function createSshListener(options: SshListenerOptions): SshListener {
  const hostKeys = parseHostKeys(options.hostKeys)
  const door = new Door(options, hostKeys)
  const server: Server = createServer({ noDelay: true }, socket => door.knock(socket))
  server.on('error', error => options.log.error({ err: error }, 'the SSH port'))
  return {
    async listen() {
      server.listen(options.port, options.host)
      await once(server, 'listening')
      const { address, port } = server.address() as AddressInfo
      return { host: address, port }
    },
    stopAccepting() {
      if (server.listening) server.close()
    },
    async close() {
      if (server.listening) server.close()
      await door.closeAll()
    },
  }
}

/** Counts who is in front of and behind the door. */
class Door {
  readonly #options: SshListenerOptions
  readonly #hostKeys: HostKeys
  readonly #places: ConnectionLimits
  readonly #connections = new Set<Transport>()
  readonly #sessions = new Set<Promise<void>>()

  constructor(options: SshListenerOptions, hostKeys: HostKeys) {
    this.#options = options
    this.#hostKeys = hostKeys
    this.#places = createConnectionLimits(options.limits)
  }

  knock(socket: Socket): void {
    socket.on('error', () => socket.destroy())
    const source: Source = { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 }
    if (source.address === '') {
      socket.destroy()
      return
    }
    const place = this.#places.enter(source.address)
    if (typeof place === 'string') {
      // RFC 4253 §4.2 lets a server send lines before its identification: people with -v see it.
      socket.end('Sallyport: too many connections, try again later\r\n')
      // Not the socket's own timeout: each byte that comes would put it off.
      const timer = setTimeout(() => socket.destroy(), GOODBYE_MS)
      socket.once('close', () => clearTimeout(timer))
      this.#refused(source, 'TOO_MANY_CONNECTIONS', place)
      return
    }
    this.#options.metrics.connections.inc({ protocol: 'ssh' })
    this.#greet(socket, source, place)
  }

  async closeAll(): Promise<void> {
    for (const transport of this.#connections) transport.destroy()
    await Promise.allSettled(this.#sessions)
  }

  #greet(socket: Socket, source: Source, place: Place): void {
    const { limits, clock, metrics } = this.#options
    let downstream: SshDownstream | undefined
    const noLongerWaiting = () => {
      clearTimeout(grace)
      place.authenticated()
    }
    const grace = setTimeout(() => {
      if (downstream !== undefined) downstream.expire()
      else transport.disconnect(DISCONNECT.BY_APPLICATION, 'LOGIN_TOO_SLOW')
    }, limits.loginGraceMs)

    const transport: Transport = new Transport(
      socket,
      { side: 'server', hostKeys: this.#hostKeys },
      {
        message: (type, payload) => {
          downstream = this.#beforeLogin(transport, source, type, payload, noLongerWaiting)
        },
        ended: error => {
          if (error instanceof TransportViolation) this.#refused(source, 'PROTOCOL_VIOLATION', error.message)
        },
      },
      limits,
      clock,
    )
    this.#connections.add(transport)
    socket.once('close', () => {
      noLongerWaiting()
      this.#connections.delete(transport)
      metrics.connections.dec({ protocol: 'ssh' })
      place.leave()
    })
    transport.start()
  }

  /** SERVICE_REQUEST, then the first USERAUTH_REQUEST, which names the user. */
  #beforeLogin(
    transport: Transport,
    source: Source,
    type: number,
    payload: Buffer,
    onAccepted: () => void,
  ): SshDownstream | undefined {
    if (type === MESSAGE.SERVICE_REQUEST) {
      answerServiceRequest(transport, payload)
      return undefined
    }
    if (type !== MESSAGE.USERAUTH_REQUEST) {
      transport.disconnect(DISCONNECT.PROTOCOL_ERROR, 'this message cannot come before the login')
      return undefined
    }
    const { limits, clock, protocol, run, log } = this.#options
    const { login } = readRequest(payload)
    const name = parseLoginName(login)
    const session = newId('ses', clock.now())
    const downstream = new SshDownstream({
      transport,
      source,
      session,
      login,
      maxTries: limits.maxAuthTries,
      knowsPublicKey: async blob => !isRefusal(name) && this.#options.knowsPublicKey(name.user, blob),
      onAccepted,
      onBroken: error => this.#refused(source, 'PROTOCOL_VIOLATION', error.message),
    })
    transport.listener = downstream
    downstream.message(type, payload)
    const running = run(protocol, downstream, session)
      .catch(error => log.error({ err: error, session }, 'a session broke'))
      .finally(() => {
        this.#sessions.delete(running)
        transport.destroy()
      })
    this.#sessions.add(running)
    return downstream
  }

  #refused(source: Source, code: ErrorCode, why: string): void {
    const { log, metrics, refusedConnection } = this.#options
    metrics.logins.inc({ protocol: 'ssh', result: code })
    log.info({ source: source.address, reason: code, why }, 'a connection was refused')
    refusedConnection?.(source, code, why)
  }
}
