/** The side of the target: dialled, logged in with the lease, and quiet until the relay takes it. */

import type { Duplex } from 'node:stream'
import { serialize } from 'pg-protocol'
import type { Grant } from '../../../policy/grant.ts'
import type { Dialer } from '../../../session/dialer.ts'
import type { LoginAtTarget } from '../../../session/login-at-target.ts'
import type { AtTarget } from '../../../session/protocol.ts'
import { GatewayError } from '../../../shared/errors.ts'
import type { Secret } from '../../../shared/secret.ts'
import { loginOf } from '../../../targets/target.ts'
import { SocketReader } from '../../relaying/socket-reader.ts'
import { postgresDatabases } from '../facts/databases.ts'
import type { PostgresTarget } from '../target.ts'
import { violation } from '../wire/violation.ts'
import { type Connection, dial, type Encryption, encryptionsOf, MESSAGE_LIMIT_BYTES } from './dial.ts'
import { showUser } from './show-user.ts'
import { readStartupOptions } from './startup-parameters.ts'
import { logIn, type StartupResult } from './target-login.ts'
import { TargetLoginFailed, TargetRefusal } from './target-refusal.ts'

/** The whole way to a target that is ready: name, TCP, TLS, login. */
const CONNECT_MS = 10_000
const TERMINATE_PATIENCE_MS = 2000
/** "no pg_hba.conf entry": the server may take the same login with the other kind of connection. */
const INVALID_AUTHORIZATION = '28000'

export interface PostgresUpstream {
  readonly socket: Duplex
  /** The same. */
  readonly carrier: Duplex
  readonly atTarget: AtTarget
  readonly target: PostgresTarget
  readonly encryption: Encryption
  /** For cancel requests: over the same hops, to the same address. */
  readonly dialer: Dialer
  readonly startup: StartupResult
  /** What came right after the login; the relay forwards it first. */
  readonly early: Buffer
  /** Told of each cancel request for this session, and gives whether it may go to the target: set by the relay. */
  onCancel?: () => Promise<boolean>
  close(): void
}

/**
 * Connects to a target and logs in with its password. `parametersFor` gives what is said at startup. Throws TARGET_UNREACHABLE,
 * TARGET_IDENTITY_MISMATCH, TARGET_LOGIN_FAILED, and what `dialer` and `parametersFor` throw.
 */
export async function connectUpstream(
  { target, material, dialer }: LoginAtTarget,
  parametersFor: (target: PostgresTarget) => Map<string, string>,
  signal: AbortSignal,
  timeoutMs = CONNECT_MS,
): Promise<PostgresUpstream> {
  if (target.protocol !== 'postgres') throw new GatewayError('INTERNAL', 'The target is not a PostgreSQL target.')
  const parameters = parametersFor(target)
  if (material.kind !== 'password') {
    throw new GatewayError(
      'TARGET_LOGIN_FAILED',
      'A PostgreSQL target needs a password in the vault, not a private key.',
    )
  }
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
  let failure: unknown
  for (const encryption of encryptionsOf(target.tls)) {
    const attempt = await attemptLogin(target, dialer, encryption, parameters, material.password, deadline).catch(
      error => {
        failure = error
        return undefined
      },
    )
    if (attempt !== undefined) {
      if (attempt.socket.closed) dialer.close()
      else attempt.socket.once('close', () => dialer.close())
      return attempt
    }
    if (!mayTryOtherwise(failure)) break
  }
  dialer.close()
  throw translate(failure, target)
}

/** Of a login behind which there is no person: to the target's own database. */
export function ownParameters(
  { account, material }: Pick<LoginAtTarget, 'account' | 'material'>,
  target: PostgresTarget,
): Map<string, string> {
  return new Map([
    ['user', loginOf(account, material)],
    ['database', postgresDatabases.read(postgresDatabases.own(target))],
  ])
}

/**
 * `user` and `database` for the target, and the settings that may pass; which of them say who it is. Throws CHANNEL_DENIED for a wish
 * that the grant does not give. `clientParameters` are the client's, as they came.
 */
export function sessionParameters(
  grant: Grant,
  material: LoginAtTarget['material'],
  target: PostgresTarget,
  clientParameters: ReadonlyMap<string, string>,
): Map<string, string> {
  const { settings, replication } = readStartupOptions(clientParameters)
  if (replication !== undefined && !grant.allows('replication')) {
    throw new GatewayError(
      'CHANNEL_DENIED',
      `Your role does not allow replication connections here: they can copy every database, so role and target need databases: ['*'].`,
    )
  }
  if (!grant.allows('sql')) throw new GatewayError('CHANNEL_DENIED', 'Your role does not allow SQL on this target.')
  if (grant.database === undefined) throw new GatewayError('INTERNAL', 'The grant is for no database.')
  const parameters = new Map<string, string>([
    ['user', loginOf(grant.account, material)],
    // What was decided about, and nothing that the client said.
    ['database', grant.database],
  ])
  if (replication !== undefined) parameters.set('replication', replication)
  for (const [name, value] of showUser(settings, grant, target.showUserIn)) parameters.set(name, value)
  return parameters
}

async function attemptLogin(
  target: PostgresTarget,
  dialer: Dialer,
  encryption: Encryption,
  parameters: ReadonlyMap<string, string>,
  password: Secret,
  signal: AbortSignal,
): Promise<PostgresUpstream> {
  const connection: Connection = await dial(target, dialer, encryption, signal)
  const { socket } = connection
  const stop = () => socket.destroy()
  signal.addEventListener('abort', stop, { once: true })
  const reader = new SocketReader(socket, MESSAGE_LIMIT_BYTES, violation)
  try {
    const startup = await logIn(connection, reader, parameters, password, target)
    return {
      socket,
      carrier: socket,
      atTarget: { processId: startup.processId },
      target,
      dialer,
      encryption: connection.encrypted ? 'tls' : 'plain',
      startup,
      early: reader.detach(),
      close: () => terminate(socket),
    }
  } catch (error) {
    socket.destroy()
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** As libpq: `allow` and `prefer` have a second way when the first was refused before the login, or TLS itself failed. */
function mayTryOtherwise(failure: unknown): boolean {
  if (failure instanceof TargetRefusal) return failure.sqlstate === INVALID_AUTHORIZATION
  return failure instanceof GatewayError && failure.code === 'TARGET_UNREACHABLE'
}

function terminate(socket: Duplex): void {
  if (socket.destroyed) return
  // The relay has ended the socket itself: this is for a session that never came so far.
  if (socket.writable) socket.write(serialize.end())
  socket.end()
  const patience = setTimeout(() => socket.destroy(), TERMINATE_PATIENCE_MS)
  socket.once('close', () => clearTimeout(patience))
  socket.resume()
}

function translate(failure: unknown, target: PostgresTarget): GatewayError {
  if (failure instanceof GatewayError) {
    if (failure.code !== 'PROTOCOL_VIOLATION') return failure
    return new GatewayError(
      'TARGET_LOGIN_FAILED',
      `The target ${target.name} does not answer as a PostgreSQL server.`,
      {
        cause: failure,
      },
    )
  }
  if (failure instanceof TargetRefusal) return new TargetLoginFailed(target.name, failure)
  return new GatewayError('TARGET_UNREACHABLE', `The target ${target.name} could not be reached.`, { cause: failure })
}
