/** Connects to a target: TCP, then TLS as the target's mode says (the modes are libpq's). */

import { once } from 'node:events'
import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import type { Dialer } from '../../../session/dialer.ts'
import { GatewayError, messageOf } from '../../../shared/errors.ts'
import { trustIn } from '../../../shared/tls/system-trust.ts'
import { nameInCertificate } from '../facts/certificate.ts'
import type { PostgresTarget } from '../target.ts'

/** One way to connect; a mode may allow two, one after the other. */
export type Encryption = 'plain' | 'tls-if-offered' | 'tls'

/** The longest message that a server may send before it is ready for queries. */
export const MESSAGE_LIMIT_BYTES = 64 * 1024

export interface Connection {
  readonly socket: Duplex
  readonly encrypted: boolean
  /** The server's certificate (DER), where there is TLS. */
  readonly certificate?: Buffer
}

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])
const YES = 0x53
const NO = 0x4e

/** What libpq tries for each mode, in order (https://www.postgresql.org/docs/current/libpq-ssl.html). */
export function encryptionsOf(mode: PostgresTarget['tls']): readonly Encryption[] {
  switch (mode) {
    case 'disable':
      return ['plain']
    case 'allow':
      return ['plain', 'tls']
    case 'prefer':
      return ['tls-if-offered', 'plain']
    case 'require':
    case 'verify-ca':
    case 'verify-full':
      return ['tls']
  }
}

/**
 * Resolves to a socket on which the PostgreSQL conversation can begin. Throws TARGET_UNREACHABLE, TARGET_IDENTITY_MISMATCH, and what
 * `dialer` throws.
 */
export async function dial(
  target: PostgresTarget,
  dialer: Dialer,
  encryption: Encryption,
  signal: AbortSignal,
): Promise<Connection> {
  const socket = await dialer.dial(signal).catch(error => {
    throw error instanceof GatewayError ? error : unreachable(target, error)
  })
  socket.on('error', () => undefined)
  const stop = () => socket.destroy()
  signal.addEventListener('abort', stop, { once: true })
  try {
    if (signal.aborted) throw signal.reason
    if (encryption === 'plain' || !(await offersTls(socket, encryption))) {
      return { socket, encrypted: false }
    }
    return await encrypt(socket, target, signal)
  } catch (error) {
    socket.destroy()
    if (error instanceof GatewayError) throw error
    throw unreachable(target, error)
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

function unreachable({ name }: PostgresTarget, cause: unknown): GatewayError {
  return new GatewayError('TARGET_UNREACHABLE', `The target ${name} could not be reached.`, { cause })
}

/** Waits for an event; the socket's error or end is the failure. */
async function settled(socket: Duplex, event: string): Promise<void> {
  // Nothing comes any more of one that was closed before.
  if (socket.destroyed) throw socket.errored ?? new Error('the target closed the connection')
  await Promise.race([
    once(socket, event),
    once(socket, 'close').then(() => {
      throw socket.errored ?? new Error('the target closed the connection')
    }),
  ])
}

/** Asks by SSLRequest. The answer is one byte and nothing more: bytes behind it were not sent by who has the certificate. */
async function offersTls(socket: Duplex, encryption: Encryption): Promise<boolean> {
  const answered = settled(socket, 'readable')
  socket.write(SSL_REQUEST)
  await answered
  const answer: Buffer | null = socket.read()
  if (answer === null) throw new Error('the target closed the connection after the TLS request')
  if (answer.length !== 1) throw new Error('the target sent more than one byte in answer to the TLS request')
  if (answer[0] === YES) return true
  if (answer[0] === NO && encryption === 'tls-if-offered') return false
  throw new GatewayError('TARGET_UNREACHABLE', 'The target does not offer TLS, and its entry asks for it.')
}

async function encrypt(raw: Duplex, target: PostgresTarget, signal: AbortSignal): Promise<Connection> {
  // libpq's rule: with a CA at hand, `require` checks the certificate as `verify-ca` does.
  const verifies = target.tls === 'verify-full' || target.tls === 'verify-ca' || target.ca !== undefined
  const name = nameInCertificate(target)
  const options: ConnectionOptions = {
    socket: raw,
    host: name,
    ALPNProtocols: ['postgresql'],
    minVersion: 'TLSv1.2',
    rejectUnauthorized: verifies,
    ...(isIP(name) === 0 ? { servername: name } : {}),
    ...(verifies ? trustIn(target.ca) : {}),
    // The name is checked by `verify-full` alone; undefined means that it fits.
    ...(target.tls === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
  }
  const socket = connectTls(options)
  socket.on('error', () => undefined)
  const stop = () => socket.destroy()
  signal.addEventListener('abort', stop, { once: true })
  try {
    await settled(socket, 'secureConnect')
    const certificate = socket.getPeerX509Certificate()?.raw
    return { socket, encrypted: true, ...(certificate === undefined ? {} : { certificate }) }
  } catch (error) {
    socket.destroy()
    if (verifies && isCertificateError(error)) {
      throw new GatewayError(
        'TARGET_IDENTITY_MISMATCH',
        `The target ${target.name} did not show the certificate that its entry asks for.`,
        { cause: error },
      )
    }
    throw new GatewayError('TARGET_UNREACHABLE', `TLS with the target ${target.name} failed: ${messageOf(error)}.`, {
      cause: error,
    })
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** OpenSSL's verification results and Node's name check, as Node spells them in `code`. */
function isCertificateError(error: unknown): boolean {
  const code = (error as { code?: unknown }).code
  return typeof code === 'string' && /CERT|SIGNATURE|ISSUER|ALTNAME|CRL|HOSTNAME_MISMATCH/.test(code)
}
