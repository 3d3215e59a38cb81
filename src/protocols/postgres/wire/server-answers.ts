/** Reads what a server says: the login conversation, errors, parameters. pg-protocol's reader is not used: it never ends on a text without NUL. */

import { BodyReader } from './message-body.ts'
import { violation } from './violation.ts'

export type AuthenticationRequest =
  | { readonly kind: 'ok' }
  | { readonly kind: 'cleartext' }
  | { readonly kind: 'md5'; readonly salt: Buffer }
  | { readonly kind: 'sasl'; readonly mechanisms: readonly string[] }
  | { readonly kind: 'sasl-continue'; readonly data: string }
  | { readonly kind: 'sasl-final'; readonly data: string }
  | { readonly kind: 'other'; readonly code: number }

const MOST_MECHANISMS = 16

/** The body of an `R` message. Throws PROTOCOL_VIOLATION. */
export function readAuthentication(body: Buffer): AuthenticationRequest {
  const reader = new BodyReader(body)
  const code = reader.int32()
  switch (code) {
    case 0:
      return { kind: 'ok' }
    case 3:
      return { kind: 'cleartext' }
    case 5:
      return { kind: 'md5', salt: reader.bytes(4) }
    case 10: {
      const mechanisms: string[] = []
      for (let name = reader.cstring(); name !== ''; name = reader.cstring()) {
        if (mechanisms.length === MOST_MECHANISMS) throw violation('too many authentication mechanisms')
        mechanisms.push(name)
      }
      return { kind: 'sasl', mechanisms }
    }
    case 11:
      return { kind: 'sasl-continue', data: reader.bytes(reader.remaining).toString('utf8') }
    case 12:
      return { kind: 'sasl-final', data: reader.bytes(reader.remaining).toString('utf8') }
    default:
      return { kind: 'other', code }
  }
}

export interface ServerError {
  readonly severity: string
  readonly sqlstate: string
  readonly message: string
}

const FIELD_S = 0x53
const FIELD_V = 0x56
const FIELD_C = 0x43
const FIELD_M = 0x4d

/** The fields of an ErrorResponse or NoticeResponse that are of use here; `decode` knows the client encoding. */
export function readError(
  bytes: Buffer,
  start = 0,
  end: number = bytes.length,
  decode: (text: Buffer) => string = text => text.toString('utf8'),
): ServerError {
  const reader = new BodyReader(bytes, start, end)
  let localSeverity = ''
  let severity = ''
  let sqlstate = ''
  let message = ''
  for (let field = reader.byte(); field !== 0; field = reader.byte()) {
    const text = reader.cstringBytes()
    if (field === FIELD_V) severity = text.toString('latin1')
    else if (field === FIELD_S) localSeverity = text.toString('latin1')
    else if (field === FIELD_C) sqlstate = text.toString('latin1')
    else if (field === FIELD_M) message = decode(text)
  }
  return { severity: severity || localSeverity, sqlstate, message }
}

export function readParameterStatus(
  bytes: Buffer,
  start = 0,
  end: number = bytes.length,
): { name: string; value: string } {
  const reader = new BodyReader(bytes, start, end)
  return { name: reader.cstring(), value: reader.cstring() }
}

export function readBackendKeyData(body: Buffer): { processId: number; key: Buffer } {
  const reader = new BodyReader(body)
  return { processId: reader.int32(), key: Buffer.from(reader.bytes(reader.remaining)) }
}

/** The number of rows that a command tag tells (`INSERT 0 5`, `SELECT 3`); undefined where it tells none. */
export function rowsOfTag(tag: string): number | undefined {
  const lastSpace = tag.lastIndexOf(' ')
  if (lastSpace === -1) return undefined
  const first = tag.charCodeAt(lastSpace + 1)
  if (first < 0x30 || first > 0x39) return undefined
  return Number(tag.slice(lastSpace + 1))
}

/** The type OIDs of a ParameterDescription. Throws PROTOCOL_VIOLATION. */
export function readParameterDescription(bytes: Buffer, start = 0, end: number = bytes.length): number[] {
  const reader = new BodyReader(bytes, start, end)
  return Array.from({ length: reader.uint16() }, () => reader.uint32())
}

/** Whether the server ends the connection with it. */
export function isFatal({ severity }: ServerError): boolean {
  return severity === 'FATAL' || severity === 'PANIC'
}
