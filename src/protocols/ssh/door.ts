/** The SSH door: takes connections to the login name, and hands them to the pipeline. */

import type { Socket } from 'node:net'
import type { Source } from '../../identity/proof.ts'
import type { Door, Visitor } from '../../session/door.ts'
import type { Protocol, RunSession } from '../../session/protocol.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Place } from '../../shared/connection-limits.ts'
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

export interface SshDoorOptions {
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

export function createSshDoor(options: SshDoorOptions): Door {
  return new SshDoor(options)
}

class SshDoor implements Door {
  readonly #options: SshDoorOptions
  readonly #hostKeys: HostKeys
  readonly #connections = new Set<Transport>()
  readonly #sessions = new Set<Promise<void>>()

  constructor(options: SshDoorOptions) {
    this.#options = options
    this.#hostKeys = parseHostKeys(options.hostKeys)
  }

  enter({ socket, source, place }: Visitor): void {
    socket.on('error', () => socket.destroy())
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

  async close(): Promise<void> {
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
