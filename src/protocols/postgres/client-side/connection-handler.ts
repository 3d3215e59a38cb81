/** The handler of PostgreSQL connections: grace time, the opening of a connection, and then the pipeline. */

import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { type ConnectionHandler, faultOf, type IncomingConnection } from '../../../connections/connection-handler.ts'
import type { ConnectionSlot, NoSlot } from '../../../connections/connection-limits.ts'
import type { Source } from '../../../identity/proof.ts'
import type { Protocol, RunSession } from '../../../session/protocol.ts'
import type { Clock } from '../../../shared/clock.ts'
import { type ErrorCode, GatewayError } from '../../../shared/errors.ts'
import { newId } from '../../../shared/ids.ts'
import type { Log } from '../../../shared/log.ts'
import type { Metrics } from '../../../shared/metrics.ts'
import type { TlsCertificate } from '../../../shared/tls/issue-certificate.ts'
import type { Cancellations } from '../target-side/cancel.ts'
import type { PostgresUpstream } from '../target-side/upstream.ts'
import { errorResponse, negotiateProtocolVersion } from '../wire/backend-messages.ts'
import { PROTOCOL_3_0, PROTOCOL_3_2 } from '../wire/startup.ts'
import { PostgresDownstream } from './downstream.ts'
import { type Opening, openConnection } from './negotiation.ts'
import type { RecentTlsRefusals, TlsRefusal } from './recent-tls-refusals.ts'
import { fatal } from './sqlstate.ts'
import { createTlsUpgrade } from './tls-upgrade.ts'

const GOODBYE_PATIENCE_MS = 1000
/** Connections without a slot are refused inside TLS, where clients look for the reason: so many at once, each for so long. */
const MOST_BEING_REFUSED = 32
const REFUSAL_TIMEOUT_MS = 3000

export interface PostgresConnectionHandlerOptions {
  readonly tls: TlsCertificate
  readonly allowPlaintextFromLoopback: boolean
  /** From the connection until the password has come. */
  readonly loginGraceMs: number
  readonly protocol: Protocol<PostgresDownstream, PostgresUpstream>
  readonly run: RunSession<PostgresDownstream, PostgresUpstream>
  readonly cancellations: Cancellations
  /** Refusals that were sent inside TLS, for clients that try again without; not given: nothing is known of that. */
  readonly tlsRefusals?: RecentTlsRefusals
  /** Called for connections that ended before the pipeline began: for the audit log. Never throws. */
  readonly refused: (event: { source: string; code: ErrorCode; session: string; detail: string }) => void
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

export function createPostgresConnectionHandler(options: PostgresConnectionHandlerOptions): ConnectionHandler {
  const { loginGraceMs, log, metrics, clock, protocol } = options
  const upgrade = createTlsUpgrade(options.tls, loginGraceMs)
  const open = new Set<Socket>()
  let beingRefused = 0

  async function serve({ socket: raw, source, slot }: IncomingConnection): Promise<void> {
    raw.on('error', () => undefined)
    const { address } = source
    const session = newId('ses', clock.now())
    let socket = raw
    let blame: ConnectionSlot['blame'] = () => undefined
    const refuse = (code: ErrorCode, text: string, detail: string) => {
      blame(faultOf(code))
      options.refused({ source: address, code, session, detail })
      metrics.logins.inc({ protocol: 'postgres', result: code })
      endWith(socket, errorResponse(fatal(code, text, session)))
    }
    const refusePlaintext = (earlier: TlsRefusal | undefined) => {
      const code = 'TLS_REQUIRED'
      if (earlier === undefined) return refuse(code, 'This gateway speaks TLS only.', 'before the login')
      // The first one was blamed.
      blame('nothing')
      const detail = `a second try, after ${earlier.code} inside TLS (session ${earlier.session})`
      options.refused({ source: address, code, session, detail })
      metrics.logins.inc({ protocol: 'postgres', result: code })
      endWith(socket, errorResponse(fatal(earlier.code, earlier.text, earlier.session)))
    }
    const opened = () =>
      openConnection(raw, {
        upgrade,
        // The loopback of a balancer's machine is another's: between the two there is a network.
        mayBePlaintext: options.allowPlaintextFromLoopback && [address, raw.remoteAddress ?? ''].every(isLoopback),
        current: secured => {
          socket = secured
        },
      })
    if ('full' in slot) {
      metrics.connectionsRefused.inc({ protocol: 'postgres', because: slot.because })
      await refuseInsideTls({ raw, address, session }, slot, opened, detail =>
        refuse('TOO_MANY_CONNECTIONS', 'There are too many connections; try again in a moment.', detail),
      )
      return
    }
    blame = fault => slot.blame(fault)
    raw.once('data', () => slot.reached('opening'))
    open.add(raw)
    metrics.connections.inc({ protocol: 'postgres' })
    raw.once('close', () => {
      open.delete(raw)
      slot.release()
      metrics.connections.dec({ protocol: 'postgres' })
    })
    const grace = setTimeout(() => {
      refuse('LOGIN_TOO_SLOW', 'The login took too long.', 'login grace time')
    }, loginGraceMs)
    raw.once('close', () => clearTimeout(grace))

    try {
      const opening = await opened()
      if (opening === undefined) return void socket.destroy()
      if (opening.kind === 'cancel') {
        if (await cancel(opening, address, session)) slot.blame('nothing')
        return void socket.end()
      }
      if (opening.kind === 'plaintext') {
        const earlier = await options.tlsRefusals?.take(address, opening.login)
        return refusePlaintext(earlier)
      }
      slot.reached('login')
      const onProof = () => {
        clearTimeout(grace)
        // Until it is known better: who hangs up before the answer has guessed.
        slot.blame('failure')
      }
      await options.run(protocol, downstreamOf(opening, source, slot, onProof, options.tlsRefusals), session)
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      refuse(error.code, error.message, 'before the login')
    }
  }

  /** A key that nobody knows may be one of a session that has just ended, or a guess: the audit log has it. */
  async function cancel(
    { processId, key }: Extract<Opening, { kind: 'cancel' }>,
    source: string,
    session: string,
  ): Promise<boolean> {
    const known = await options.cancellations.request(processId, key)
    if (!known) {
      options.refused({ source, code: 'ACCESS_DENIED', session, detail: 'a cancel request whose key nobody knows' })
    }
    return known
  }

  /** Cancel requests are passed on all the same: they take no slot, and somebody waits for them. */
  async function refuseInsideTls(
    { raw, address, session }: { raw: Socket; address: string; session: string },
    { full, because }: NoSlot,
    opened: () => Promise<Opening | undefined>,
    refuse: (detail: string) => void,
  ): Promise<void> {
    if (because === 'held-off' || beingRefused >= MOST_BEING_REFUSED) return refuse(full)
    beingRefused++
    open.add(raw)
    let sent = false
    const sendRefusal = () => {
      clearTimeout(timer)
      if (!sent) refuse(full)
      sent = true
    }
    const timer = setTimeout(sendRefusal, REFUSAL_TIMEOUT_MS)
    raw.once('close', () => {
      clearTimeout(timer)
      open.delete(raw)
      beingRefused--
    })
    const opening = await opened().catch(() => ({ kind: 'broken' as const }))
    if (opening === undefined) return void raw.destroy()
    if (opening.kind !== 'cancel') return sendRefusal()
    clearTimeout(timer)
    await cancel(opening, address, session)
    raw.end()
  }

  return {
    handle(connection) {
      serve(connection).catch(error => {
        log.error({ err: error }, 'a PostgreSQL connection broke')
        connection.socket.destroy()
      })
    },
    async close() {
      await Promise.all(
        Array.from(open, socket => {
          const closed = new Promise(resolve => socket.once('close', resolve))
          socket.destroy()
          return closed
        }),
      )
    },
  }
}

function downstreamOf(
  opening: Extract<Opening, { kind: 'startup' }>,
  source: Source,
  slot: ConnectionSlot,
  onProof: () => void,
  tlsRefusals: RecentTlsRefusals | undefined,
): PostgresDownstream {
  const { socket, reader, packet } = opening
  const { parameters, minorVersion, protocolOptions } = packet
  const spoken = minorVersion >= 2 ? PROTOCOL_3_2 : PROTOCOL_3_0
  if (PROTOCOL_3_0 + minorVersion !== spoken || protocolOptions.length > 0) {
    socket.write(negotiateProtocolVersion(spoken, protocolOptions))
  }
  const details: Record<string, string> = {
    encryption: socket instanceof TLSSocket ? (socket.getProtocol() ?? 'TLS') : 'none',
    protocol: `3.${spoken - PROTOCOL_3_0}`,
  }
  for (const name of ['application_name', 'client_encoding', 'replication']) {
    const value = parameters.get(name)
    if (value !== undefined) details[name] = value.slice(0, 256)
  }
  return new PostgresDownstream({
    socket,
    reader,
    source,
    startup: { login: parameters.get('user') ?? '', minorVersion: spoken - PROTOCOL_3_0, parameters },
    details,
    onProof,
    beforeRefusal: async (refusal, session) => {
      if (socket instanceof TLSSocket)
        await tlsRefusals?.remember(source.address, parameters.get('user') ?? '', refusal, session)
    },
    onAccept: () => slot.authenticated(),
    onDenied: code => slot.blame(faultOf(code)),
  })
}

function isLoopback(address: string): boolean {
  return address === '::1' || /^(?:::ffff:)?127\./.test(address)
}

function endWith(socket: Socket, words: Buffer): void {
  if (socket.destroyed) return
  socket.end(words)
  const timer = setTimeout(() => socket.destroy(), GOODBYE_PATIENCE_MS)
  socket.once('close', () => clearTimeout(timer))
  socket.resume()
}
