/** The handler of SSH connections: takes connections to the login name, and hands them to the pipeline. */

import { type ConnectionHandler, faultOf, type IncomingConnection } from '../../../connections/connection-handler.ts'
import type { ConnectionSlot, NoSlot } from '../../../connections/connection-limits.ts'
import type { Source } from '../../../identity/proof.ts'
import type { Converse } from '../../../session/conversation.ts'
import type { Protocol, RunSession } from '../../../session/protocol.ts'
import type { Login, RunLogin } from '../../../session/run-login.ts'
import type { HandlerParts } from '../../../session/served-protocol.ts'
import type { Clock } from '../../../shared/clock.ts'
import { type ErrorCode, isRefusal, type Refusal } from '../../../shared/errors.ts'
import { newId } from '../../../shared/ids.ts'
import type { Log } from '../../../shared/log.ts'
import type { Metrics } from '../../../shared/metrics.ts'
import { type LoginName, parseLoginName } from '../../../shared/names.ts'
import type { Secret } from '../../../shared/secret.ts'
import { message, string, uint32, type WireReader } from '../../../shared/ssh-encoding/wire.ts'
import { type Beginning, type Inside, notOpened, openJump } from '../jump/open-jump.ts'
import type { RelayedClient } from '../relay/relay-peer.ts'
import { SshConversation } from '../served/conversation.ts'
import { serve } from '../served/serve.ts'
import type { ChannelLine, Opening, PeerEnd } from '../served/served-connection.ts'
import { SessionChannel } from '../served/session-channel.ts'
import type { SshUpstream } from '../target-side/upstream.ts'
import { parseHostKeys } from '../transport/host-keys.ts'
import { DISCONNECT, MESSAGE } from '../transport/messages.ts'
import { plain } from '../transport/texts.ts'
import { type HostKeys, SOFTWARE, Transport, TransportViolation } from '../transport/transport.ts'
import { SshDownstream } from './downstream.ts'
import type { SshLimits } from './limits.ts'
import { answerServiceRequest } from './service-request.ts'
import { readRequest } from './user-authentication.ts'

/** How long a refused client may take to read the refusal. */
const GOODBYE_MS = 1_000
/** The exit status of a command that the gateway could not answer. */
const BROKEN = 255

export interface SshConnectionHandlerOptions {
  /** Private keys in PEM or OpenSSH form, at most one of a type. */
  readonly hostKeys: readonly Secret[]
  readonly limits: SshLimits
  readonly protocol: Protocol<RelayedClient, SshUpstream>
  readonly run: RunSession<RelayedClient, SshUpstream>
  /** For a login that names no target. */
  readonly runLogin: RunLogin<SshDownstream>
  /** Answers on the session channels of such a login; undefined: there are none. */
  readonly converse?: Converse | undefined
  /** Which target a client means by host and port on a login that names none. */
  readonly findInside: HandlerParts['findInside']
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

  handle({ socket, source, nonce, slot }: IncomingConnection): void {
    socket.on('error', () => socket.destroy())
    if ('full' in slot) {
      this.#options.metrics.connectionsRefused.inc({ protocol: 'ssh', because: slot.because })
      const session = newId('ses', this.#options.clock.now())
      socket.end(turnedAway(session))
      // What is not read makes the kernel throw away what was written.
      socket.resume()
      // Not the socket's own timeout: each byte that comes would put it off.
      const timer = setTimeout(() => socket.destroy(), GOODBYE_MS)
      socket.once('close', () => clearTimeout(timer))
      this.#refused(source, 'TOO_MANY_CONNECTIONS', slot.full, session)
      return
    }
    this.#begin({ stream: socket, source, slot, hostKeys: this.#hostKeys, nonce })
  }

  async close(): Promise<void> {
    for (const transport of this.#connections) transport.destroy()
    await Promise.allSettled(this.#sessions)
  }

  /** A connection from the network, or one inside of another. */
  #begin({ stream, source, slot, hostKeys, nonce, inside }: Beginning): void {
    const { limits, clock, metrics } = this.#options
    let downstream: SshDownstream | undefined
    const loggedIn = () => {
      clearTimeout(grace)
      slot.authenticated()
    }
    const grace = setTimeout(() => {
      slot.blame('slow')
      if (downstream !== undefined) downstream.expire()
      else transport.disconnect(DISCONNECT.BY_APPLICATION, 'LOGIN_TOO_SLOW')
    }, limits.loginGraceMs)

    const transport: Transport = new Transport(
      stream,
      { side: 'server', hostKeys, cookie: nonce },
      {
        message: (type, payload) => {
          if (type === MESSAGE.USERAUTH_REQUEST) {
            slot.reached('login')
            downstream = this.#login(transport, payload, { source, slot, inside, onAccepted: loggedIn })
          } else if (type === MESSAGE.SERVICE_REQUEST) answerServiceRequest(transport, payload)
          else transport.disconnect(DISCONNECT.PROTOCOL_ERROR, 'this message cannot come before the login')
        },
        ended: error => {
          if (error instanceof TransportViolation) this.#broken(source, slot, error)
        },
      },
      limits,
      clock,
    )
    this.#connections.add(transport)
    metrics.connections.inc({ protocol: 'ssh' })
    stream.once('close', () => {
      clearTimeout(grace)
      this.#connections.delete(transport)
      metrics.connections.dec({ protocol: 'ssh' })
      slot.release()
    })
    stream.once('data', () => slot.reached('opening'))
    transport.start()
  }

  /** The first USERAUTH_REQUEST names the user. */
  #login(
    transport: Transport,
    payload: Buffer,
    {
      source,
      slot,
      inside,
      onAccepted,
    }: Pick<Beginning, 'source' | 'slot'> & { inside: Inside | undefined; onAccepted(): void },
  ): SshDownstream {
    const { limits, clock, log } = this.#options
    const { login } = readRequest(payload)
    const meaning = inside?.loginNameOf(login) ?? login
    const name = isRefusal(meaning) ? meaning : parseLoginName(meaning)
    const session = newId('ses', clock.now())
    const downstream = new SshDownstream({
      transport,
      source,
      session,
      login,
      ...(isRefusal(meaning) ? {} : { meaning }),
      ...(inside === undefined ? {} : { outer: inside.login }),
      maxTries: limits.maxAuthTries,
      knowsPublicKey: async blob => !isRefusal(name) && this.#options.knowsPublicKey(name.user, blob),
      onAccepted,
      onWrongProof: () => slot.blame('failure'),
      onDenied: code => slot.blame(faultOf(code)),
      onBroken: error => this.#broken(source, slot, error),
    })
    transport.listener = downstream
    downstream.message(MESSAGE.USERAUTH_REQUEST, payload)
    const running = this.#run(downstream, session, { name, slot, inside })
      .catch(error => log.error({ err: error, session }, 'a session broke'))
      .finally(() => {
        this.#sessions.delete(running)
        transport.destroy()
      })
    this.#sessions.add(running)
    return downstream
  }

  #run(
    downstream: SshDownstream,
    session: string,
    { name, slot, inside }: { name: LoginName | Refusal; slot: ConnectionSlot; inside: Inside | undefined },
  ): Promise<void> {
    if (inside !== undefined && isRefusal(name)) {
      this.#refused(downstream.source, name.code, name.detail ?? name.message, session)
      return downstream.deny(name, session)
    }
    if (!isRefusal(name) && name.target === undefined) return this.#serve(downstream, session, slot)
    return this.#options.run(this.#options.protocol, downstream, session)
  }

  /** A login that names no target: the gateway itself is the other end. */
  #serve(downstream: SshDownstream, session: string, slot: ConnectionSlot): Promise<void> {
    return this.#options.runLogin(downstream, session, (_, login) => {
      const { limits } = this.#options
      return serve(downstream, login, {
        maxChannels: limits.maxChannels,
        broken: rule => this.#refused(downstream.source, 'PROTOCOL_VIOLATION', rule, session),
        failed: error => this.#options.log.error({ err: error, session }, 'a channel could not be opened'),
        open: (kind, fields) => {
          if (kind === 'direct-tcpip') return this.#jump({ source: downstream.source, slot, login }, fields)
          if (kind === 'session' && this.#options.converse !== undefined) {
            return { open: (peer, line) => this.#answer(downstream, login, peer, line) }
          }
          const what = plain(kind.slice(0, 100))
          login.refused(what, 'a login without a target does not open it')
          return notOpened(`${what} needs a target: log in as user+account+target`, 'CHANNEL_DENIED', session)
        },
      })
    })
  }

  /** A command, the menu, and the sessions that are begun from it. */
  #answer(downstream: SshDownstream, login: Login, peer: PeerEnd, line: ChannelLine): SessionChannel {
    const { protocol, run, converse, clock, log } = this.#options
    return new SessionChannel({
      ...{ peer, line, session: login.id, refused: login.refused, activity: login.activity },
      started(channel) {
        const conversation = new SshConversation({
          ...{ channel, downstream, login },
          run: (inner, session) => run(protocol, inner, session),
          now: () => clock.now(),
        })
        converse!(conversation, login).then(
          status => channel.exit(status),
          error => {
            log.error({ err: error, session: login.id }, 'an answer to a user broke')
            channel.exit(BROKEN)
          },
        )
      },
    })
  }

  #jump(from: Pick<Beginning, 'source' | 'slot'> & { login: Login }, fields: WireReader): Promise<Opening> {
    const parts = {
      ...this.#options,
      hostKeys: this.#hostKeys,
      begin: (connection: Beginning) => this.#begin(connection),
      noSlot: (source: Source, { full, because }: NoSlot, { id }: Login) => {
        this.#options.metrics.connectionsRefused.inc({ protocol: 'ssh', because })
        this.#refused(source, 'TOO_MANY_CONNECTIONS', full, id)
      },
    }
    return openJump(parts, from, fields)
  }

  #broken(source: Source, slot: ConnectionSlot, error: TransportViolation): void {
    slot.blame('violation')
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
