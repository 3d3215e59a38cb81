/** Logs in to a target: startup, authentication without any downgrade, and what the server says until it is ready for queries. */

import type { Duplex } from 'node:stream'
import { serialize } from 'pg-protocol'
import { GatewayError } from '../../../shared/errors.ts'
import type { Secret } from '../../../shared/secret.ts'
import type { Message, SocketReader } from '../../relaying/socket-reader.ts'
import type { PostgresTarget } from '../target.ts'
import { passwordMessage, startupMessage } from '../wire/frontend-messages.ts'
import {
  type AuthenticationRequest,
  readAuthentication,
  readBackendKeyData,
  readParameterStatus,
} from '../wire/server-answers.ts'
import { violation } from '../wire/violation.ts'
import { requireAllowed, requireBinding, requireIterations } from './authentication-floor.ts'
import type { Connection } from './dial.ts'
import { md5Answer } from './md5-password.ts'
import { createScramClient, type ScramClient, tlsServerEndPoint } from './scram.ts'
import { TargetRefusal } from './target-refusal.ts'

/** ParameterStatus and BackendKeyData, as the target sent them before ReadyForQuery; passed to the client when it is let in. */
export interface StartupResult {
  readonly parameters: ReadonlyMap<string, string>
  readonly processId: number
  readonly cancelKey: Buffer
  /** Whether it asked for a proof of the password, and took it. */
  readonly proven: boolean
  /** Whether it has the password in the clear. */
  readonly sentInClear: boolean
}

/**
 * Runs the login on a fresh connection. Throws TargetRefusal when the server says no, GatewayError TARGET_AUTHENTICATION_REFUSED when it
 * asks for what its entry does not allow, PROTOCOL_VIOLATION when it does not speak the protocol.
 */
export async function logIn(
  connection: Connection,
  reader: SocketReader,
  parameters: ReadonlyMap<string, string>,
  password: Secret,
  target: PostgresTarget,
): Promise<StartupResult> {
  const { socket } = connection
  const conversation: Conversation = { connection, reader, target, password, sentInClear: false, proven: false }
  socket.write(startupMessage(parameters))
  try {
    await authenticate(conversation, parameters.get('user')!)
    const { parameters: reported, processId, cancelKey } = await readStartupResult(reader)
    const { proven, sentInClear } = conversation
    return { parameters: reported, processId, cancelKey, proven, sentInClear }
  } catch (error) {
    if (!(error instanceof TargetRefusal)) throw error
    const kept = error.keeping([password], conversation.sentInClear)
    throw conversation.proven ? kept.afterProof() : kept
  }
}

interface Conversation {
  readonly connection: Connection
  readonly reader: SocketReader
  readonly target: PostgresTarget
  readonly password: Secret
  /** The target has it in the clear. */
  sentInClear: boolean
  /** The target asked for a proof of the password, and took it. */
  proven: boolean
}

async function authenticate(conversation: Conversation, user: string): Promise<void> {
  const { connection, reader, target, password } = conversation
  const { socket } = connection
  let answered = false
  while (true) {
    const request = await nextRequest(reader)
    switch (request.kind) {
      case 'ok':
        conversation.proven = answered
        if (answered) return
        requireAllowed(target, 'none')
        requireBinding(target, false)
        return
      case 'md5':
        requireOnce(answered)
        requireAllowed(target, 'md5')
        requireBinding(target, false)
        sendSecret(socket, md5Answer(user, password, request.salt))
        break
      case 'cleartext':
        requireOnce(answered)
        requireAllowed(target, 'password')
        requireBinding(target, false)
        conversation.sentInClear = true
        sendSecret(socket, password.revealBytes())
        break
      case 'sasl':
        requireOnce(answered)
        requireAllowed(target, 'scram-sha-256')
        await proveByScram(socket, reader, chooseScram(connection, request.mechanisms, target), password)
        break
      case 'other':
        throw refused(
          `The target ${target.name} asks for an authentication that is not supported (code ${request.code}).`,
        )
      default:
        throw violation('the server goes on with a SASL exchange that was not begun')
    }
    answered = true
  }
}

function requireOnce(answered: boolean): void {
  if (answered) throw violation('the server asks for a second authentication')
}

async function nextRequest(reader: SocketReader): Promise<AuthenticationRequest> {
  while (true) {
    const { type, body } = await nextMessage(reader)
    if (type === 'R') return readAuthentication(body)
    if (type !== 'N') throw violation('the server answers out of turn')
  }
}

async function nextMessage(reader: SocketReader): Promise<Message> {
  const message = await reader.message()
  if (message === undefined) throw new Error('the target closed the connection during login')
  if (message.type === 'E') throw new TargetRefusal(message.body)
  return message
}

/** -PLUS whenever it can be had; over TLS without it, say that we could, so that a stripped offer is noticed by the server. */
function chooseScram(connection: Connection, mechanisms: readonly string[], target: PostgresTarget): ScramClient {
  const mayCost = (iterations: number) => requireIterations(target, iterations)
  const binding =
    target.channelBinding === 'disable' || connection.certificate === undefined
      ? undefined
      : tlsServerEndPoint(connection.certificate)
  const bound = mechanisms.includes('SCRAM-SHA-256-PLUS') && binding !== undefined
  requireBinding(target, bound)
  if (bound) return createScramClient(binding, mayCost)
  if (!mechanisms.includes('SCRAM-SHA-256')) {
    throw refused(`The target ${target.name} offers no SCRAM mechanism that is supported.`)
  }
  return createScramClient(binding === undefined ? 'n' : 'y', mayCost)
}

async function proveByScram(socket: Duplex, reader: SocketReader, scram: ScramClient, password: Secret): Promise<void> {
  socket.write(serialize.sendSASLInitialResponseMessage(scram.mechanism, scram.first))
  const challenge = await nextRequest(reader)
  if (challenge.kind !== 'sasl-continue') throw violation('the server breaks off the SCRAM exchange')
  socket.write(serialize.sendSCRAMClientFinalMessage(await scram.final(challenge.data, password)))
  const final = await nextRequest(reader)
  // Without this message, or with a wrong one, the server has not shown that it knows the password.
  if (final.kind !== 'sasl-final' || !scram.proves(final.data)) {
    throw new GatewayError('TARGET_IDENTITY_MISMATCH', 'The target did not prove that it knows the password.')
  }
}

/** The message is overwritten once the socket has it. */
function sendSecret(socket: Duplex, password: Uint8Array): void {
  const bytes = passwordMessage(password)
  socket.write(bytes, () => bytes.fill(0))
}

const MOST_PARAMETERS = 256

async function readStartupResult(
  reader: SocketReader,
): Promise<Pick<StartupResult, 'parameters' | 'processId' | 'cancelKey'>> {
  const parameters = new Map<string, string>()
  let processId = 0
  let cancelKey: Buffer = Buffer.alloc(0)
  while (true) {
    const { type, body } = await nextMessage(reader)
    switch (type) {
      case 'S': {
        const { name, value } = readParameterStatus(body)
        parameters.set(name, value)
        if (parameters.size > MOST_PARAMETERS) throw violation('the server reports too many parameters')
        break
      }
      case 'K':
        ;({ processId, key: cancelKey } = readBackendKeyData(body))
        break
      case 'N':
        break
      case 'Z':
        return { parameters, processId, cancelKey }
      default:
        throw violation('the server answers out of turn')
    }
  }
}

function refused(message: string): GatewayError {
  return new GatewayError('TARGET_LOGIN_FAILED', message)
}
