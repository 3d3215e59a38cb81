/**
 * The packets that begin a connection and carry no type byte: SSLRequest, GSSENCRequest, CancelRequest, StartupMessage
 * (https://www.postgresql.org/docs/current/protocol-message-formats.html).
 */

import { violation } from './violation.ts'

export const SSL_REQUEST_CODE = 80877103
export const GSSENC_REQUEST_CODE = 80877104
export const CANCEL_REQUEST_CODE = 80877102
export const PROTOCOL_3_0 = 196608
export const PROTOCOL_3_2 = 196610

/** PostgreSQL's own bound (MAX_STARTUP_PACKET_LENGTH). */
export const MAX_STARTUP_PACKET_BYTES = 10_000
const HEADER_BYTES = 8
/** Protocol 3.2 allows cancel keys of up to 256 bytes. */
const MAX_CANCEL_KEY_BYTES = 256

export type StartupPacket =
  | { readonly kind: 'ssl-request' }
  | { readonly kind: 'gssenc-request' }
  | { readonly kind: 'cancel-request'; readonly processId: number; readonly key: Buffer }
  | {
      readonly kind: 'startup'
      readonly minorVersion: number
      readonly parameters: ReadonlyMap<string, string>
      /** Names of the `_pq_.` protocol options that were asked for. None is known here. */
      readonly protocolOptions: readonly string[]
    }

/**
 * The length that the first four bytes announce, checked against the bound, so that nothing is allocated for an unauthenticated client's claim.
 * Throws PROTOCOL_VIOLATION.
 */
export function startupPacketLength(header: Buffer): number {
  const length = header.readUInt32BE(0)
  if (length < HEADER_BYTES || length > MAX_STARTUP_PACKET_BYTES) {
    throw violation('the first packet has an impossible length')
  }
  return length
}

/** Reads one whole packet, its length included. Throws PROTOCOL_VIOLATION. */
export function parseStartupPacket(packet: Buffer): StartupPacket {
  if (packet.length < HEADER_BYTES || packet.readUInt32BE(0) !== packet.length) {
    throw violation('the first packet does not have the length that it announces')
  }
  const code = packet.readUInt32BE(4)
  switch (code) {
    case SSL_REQUEST_CODE:
    case GSSENC_REQUEST_CODE:
      if (packet.length !== HEADER_BYTES) throw violation('an encryption request carries more than its code')
      return { kind: code === SSL_REQUEST_CODE ? 'ssl-request' : 'gssenc-request' }
    case CANCEL_REQUEST_CODE:
      return parseCancelRequest(packet)
    default:
      if (code >>> 16 !== 3) throw violation('only protocol version 3 is spoken here')
      return parseStartupMessage(packet, code & 0xffff)
  }
}

function parseCancelRequest(packet: Buffer): StartupPacket {
  const key = packet.subarray(12)
  if (key.length < 4 || key.length > MAX_CANCEL_KEY_BYTES) throw violation('a cancel request has an impossible length')
  return { kind: 'cancel-request', processId: packet.readInt32BE(8), key: Buffer.from(key) }
}

function parseStartupMessage(packet: Buffer, minorVersion: number): StartupPacket {
  const parameters = new Map<string, string>()
  const protocolOptions: string[] = []
  let at = HEADER_BYTES
  const cstring = (): string => {
    const end = packet.indexOf(0, at)
    if (end === -1) throw violation('a startup parameter does not end')
    const text = packet.toString('utf8', at, end)
    at = end + 1
    return text
  }
  while (true) {
    const name = cstring()
    if (name === '') break
    const value = cstring()
    if (name.startsWith('_pq_.')) protocolOptions.push(name)
    // Two different readings of one packet (here and at the target) must be impossible.
    else if (parameters.has(name)) throw violation('a startup parameter is given twice')
    else parameters.set(name, value)
  }
  if (at !== packet.length) throw violation('the startup message goes on after its end')
  return { kind: 'startup', minorVersion, parameters, protocolOptions }
}
