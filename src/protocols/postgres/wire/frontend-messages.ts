/** Writes the packets of a client that pg-protocol's serializer cannot: startup with exactly our parameters, cancel with a key of any length. */

import { erasableBytes } from '../../../shared/secret.ts'
import { CANCEL_REQUEST_CODE, PROTOCOL_3_0 } from './startup.ts'

/** StartupMessage of protocol 3.0. Names and values never hold NUL: they were read as C strings, or are names of ours. */
export function startupMessage(parameters: ReadonlyMap<string, string>): Buffer {
  let body = ''
  for (const [name, value] of parameters) body += `${name}\0${value}\0`
  return packet(PROTOCOL_3_0, Buffer.from(`${body}\0`, 'utf8'))
}

/** PasswordMessage, which also carries what SASL and md5 answer. `password` is copied: erase the message once it was sent. */
export function passwordMessage(password: Uint8Array): Buffer {
  const out = erasableBytes(6 + password.length)
  out[0] = 0x70
  out.writeUInt32BE(5 + password.length, 1)
  out.set(password, 5)
  out[5 + password.length] = 0
  return out
}

export function cancelRequest(processId: number, key: Buffer): Buffer {
  const body = Buffer.allocUnsafe(4 + key.length)
  body.writeInt32BE(processId)
  key.copy(body, 4)
  return packet(CANCEL_REQUEST_CODE, body)
}

function packet(code: number, body: Buffer): Buffer {
  const out = Buffer.allocUnsafe(8 + body.length)
  out.writeUInt32BE(out.length, 0)
  out.writeUInt32BE(code, 4)
  body.copy(out, 8)
  return out
}
