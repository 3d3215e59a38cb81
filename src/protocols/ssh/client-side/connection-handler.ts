/** The handler of SSH connections: takes connections to the login name, and hands them to the pipeline. */

import type { Socket } from 'node:net'
import { type ConnectionHandler, faultOf, type IncomingConnection } from '../../../connections/connection-handler.ts'
import type { Source } from '../../../identity/proof.ts'
import type { Protocol, RunSession } from '../../../session/protocol.ts'
import type { Clock } from '../../../shared/clock.ts'
import type { Place } from '../../../shared/connection-limits.ts'
import { type ErrorCode, isRefusal } from '../../../shared/errors.ts'
import { newId } from '../../../shared/ids.ts'
import type { Log } from '../../../shared/log.ts'
import type { Metrics } from '../../../shared/metrics.ts'
import { parseLoginName } from '../../../shared/names.ts'
import type { Secret } from '../../../shared/secret.ts'
import { message, string, uint32 } from '../../../shared/ssh-wire.ts'
import type { SshUpstream } from '../target-side/upstream.ts'
import { parseHostKeys } from '../transport/host-keys.ts'
import { DISCONNECT, MESSAGE } from '../transport/messages.ts'
import { type HostKeys, SOFTWARE, Transport, TransportViolation } from '../transport/transport.ts'
import { SshDownstream } from './downstream.ts'
import type { SshLimits } from './limits.ts'
import { answerServiceRequest } from './service-request.ts'
import { readRequest } from './user-authentication.ts'

/** How long one who is sent away may take to hear it. */
const GOODBYE_MS = 1_000

export interface SshConnectionHandlerOptions {
  /** Private keys in PEM or OpenSSH form, at most one of a type. */
  readonly hostKeys: readonly Secret[]
  readonly limits: SshLimits
  readonly protocol: Protocol<SshDownstream, SshUpstream>
  readonly run: RunSession<SshDownstream, SshUpstream>
  /** Whether the key is one of the user's. False for users that do not exist, in the same time. */
  knowsPublicKey(user: string, blob: Buffer): Promise<boolean>
  /** A connection that never came to a login, for the audit log: over a limit, or not SSH at all. */
  refusedConnection?(source: Source, code: ErrorCode, why: string, session?: string): void
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

export function createSshConnectionHandler(options: SshConnectionHandlerOptions): ConnectionHandler {
  return new SshConnectionHandler(options)
}

class SshConnectionHandler implements ConnectionHandler {
  readonly #options: SshConnectionHandlerOptions
  readonly #hostKeys: HostKeys
  readonly #connections = new Set<Transport>()
  readonly #sessions = new Set<Promise<void>>()

  constructor(options: SshConnectionHandlerOptions) {
    this.#options = options
    this.#hostKeys = parseHostKeys(options.hostKeys)
  }

  enter({ socket, source, place }: IncomingConnection): void {
    socket.on('error', () => socket.destroy())
    if ('full' in place) {
      this.#options.metrics.connectionsRefused.inc({ protocol: 'ssh', because: place.because })
      const session = newId('ses', this.#options.clock.now())
      socket.end(turnedAway(session))
      // What is not read makes the kernel throw away what was written.
      socket.resume()
      // Not the socket's own timeout: each byte that comes would put it off.
      const timer = setTimeout(() => socket.destroy(), GOODBYE_MS)
      socket.once('close', () => clearTimeout(timer))
      this.#refused(source, 'TOO_MANY_CONNECTIONS', place.full, session)
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
    const loggedIn = () => {
      clearTimeout(grace)
      place.authenticated()
    }
    const grace = setTimeout(() => {
      place.blame('slow')
      if (downstream !== undefined) downstream.expire()
      else transport.disconnect(DISCONNECT.BY_APPLICATION, 'LOGIN_TOO_SLOW')
    }, limits.loginGraceMs)

    const transport: Transport = new Transport(
      socket,
      { side: 'server', hostKeys: this.#hostKeys },
      {
        message: (type, payload) => {
          downstream = this.#beforeLogin(transport, source, type, payload, place, loggedIn)
        },
        ended: error => {
          if (error instanceof TransportViolation) this.#broken(source, place, error)
        },
      },
      limits,
      clock,
    )
    this.#connections.add(transport)
    socket.once('close', () => {
      clearTimeout(grace)
      this.#connections.delete(transport)
      metrics.connections.dec({ protocol: 'ssh' })
      place.leave()
    })
    socket.once('data', () => place.reached('opening'))
    transport.start()
  }

  /** SERVICE_REQUEST, then the first USERAUTH_REQUEST, which names the user. */
  #beforeLogin(
    transport: Transport,
    source: Source,
    type: number,
    payload: Buffer,
    place: Place,
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
    place.reached('login')
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
      onWrongProof: () => place.blame('failure'),
      onDenied: code => place.blame(faultOf(code)),
      onBroken: error => this.#broken(source, place, error),
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

  #broken(source: Source, place: Place, error: TransportViolation): void {
    place.blame('violation')
    this.#refused(source, 'PROTOCOL_VIOLATION', error.message)
  }

  #refused(source: Source, code: ErrorCode, why: string, session?: string): void {
    const { log, metrics, refusedConnection } = this.#options
    metrics.logins.inc({ protocol: 'ssh', result: code })
    log.info({ source: source.address, reason: code, why }, 'a connection was refused')
    refusedConnection?.(source, code, why, session)
  }
}

/**
 * An identification, and at once a DISCONNECT (RFC 4253 §4.2, §11.1), which is allowed before keys are agreed on: people read it
 * without `-v`, and it costs no key exchange.
 */
function turnedAway(session: string): Buffer {
  const words = `TOO_MANY_CONNECTIONS: there are too many connections, try again in a moment, session ${session}`
  const payload = message(MESSAGE.DISCONNECT, uint32(DISCONNECT.TOO_MANY_CONNECTIONS), string(words), string(''))
  // RFC 4253 §6: a multiple of 8 bytes, and at least 4 of padding.
  const padding = 8 - ((5 + payload.length) % 8) + (8 - ((5 + payload.length) % 8) < 4 ? 8 : 0)
  const head = Buffer.concat([uint32(1 + payload.length + padding), Buffer.from([padding])])
  return Buffer.concat([Buffer.from(`SSH-2.0-${SOFTWARE}\r\n`), head, payload, Buffer.alloc(padding)])
}
