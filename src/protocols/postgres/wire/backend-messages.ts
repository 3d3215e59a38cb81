/** Writes the messages that a server sends: what the gateway itself says to the client. */

/** One message: type byte, length, body. */
export function message(type: string, body: Buffer): Buffer {
  const out = Buffer.allocUnsafe(5 + body.length)
  out[0] = type.charCodeAt(0)
  out.writeUInt32BE(4 + body.length, 1)
  body.copy(out, 5)
  return out
}

const cstring = (text: string): Buffer => Buffer.from(`${text.replaceAll('\0', '')}\0`, 'utf8')

function int32(value: number): Buffer {
  const out = Buffer.allocUnsafe(4)
  out.writeInt32BE(value)
  return out
}

export const authenticationOk = (): Buffer => message('R', int32(0))
export const authenticationCleartextPassword = (): Buffer => message('R', int32(3))

/** `newest` is the whole version number (196608 is 3.0); `unknownOptions` are the `_pq_.` options that are not known here. */
export function negotiateProtocolVersion(newest: number, unknownOptions: readonly string[]): Buffer {
  return message('v', Buffer.concat([int32(newest), int32(unknownOptions.length), ...unknownOptions.map(cstring)]))
}

export interface ErrorFields {
  readonly severity: 'FATAL' | 'ERROR' | 'NOTICE' | 'WARNING'
  readonly sqlstate: string
  readonly message: string
  readonly detail?: string
  readonly hint?: string
}

/** ErrorResponse or NoticeResponse with the fields S, V, C, M, D, H. */
function words(type: 'E' | 'N', { severity, sqlstate, message: text, detail, hint }: ErrorFields): Buffer {
  const fields = [`S${severity}`, `V${severity}`, `C${sqlstate}`, `M${text}`]
  if (detail !== undefined) fields.push(`D${detail}`)
  if (hint !== undefined) fields.push(`H${hint}`)
  return message(type, Buffer.concat([...fields.map(cstring), Buffer.alloc(1)]))
}

export const errorResponse = (error: ErrorFields): Buffer => words('E', error)
export const noticeResponse = (notice: ErrorFields): Buffer => words('N', notice)

export const parameterStatus = (name: string, value: string): Buffer =>
  message('S', Buffer.concat([cstring(name), cstring(value)]))

/** `key` has 4 bytes in protocol 3.0, up to 256 from 3.2 on. */
export const backendKeyData = (processId: number, key: Buffer): Buffer =>
  message('K', Buffer.concat([int32(processId), key]))

export const readyForQuery = (status: 'I' | 'T' | 'E' = 'I'): Buffer => message('Z', Buffer.from(status, 'latin1'))
