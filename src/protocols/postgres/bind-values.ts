/** Shows a bind value in the recording: text as it is, binary decoded where its type is known, and as hex otherwise. */

import type { TextDecode } from './client-encoding.ts'

const BOOL = 16
const INT8 = 20
const INT2 = 21
const INT4 = 23
const OID = 26
const FLOAT4 = 700
const FLOAT8 = 701
const UUID = 2950
/** text, json, xml, name, bpchar, varchar, unknown: their binary form is their text. */
const TEXTS = new Set([25, 114, 142, 19, 1042, 1043, 705])

/** `bytes` is the head of a value of `length` bytes; `type` is the OID that Parse gave, 0 where it gave none. */
export function showValue(bytes: Buffer, length: number, binary: boolean, type: number, decode: TextDecode): string {
  const shown = binary ? showBinary(bytes, type, decode) : decode(bytes)
  return bytes.length < length ? `${shown}… (cut here; ${length} bytes in all)` : shown
}

function showBinary(bytes: Buffer, type: number, decode: TextDecode): string {
  if (TEXTS.has(type)) return decode(bytes)
  if (type === BOOL && bytes.length === 1) return bytes[0] === 0 ? 'false' : 'true'
  if (type === INT2 && bytes.length === 2) return String(bytes.readInt16BE())
  if (type === INT4 && bytes.length === 4) return String(bytes.readInt32BE())
  if (type === OID && bytes.length === 4) return String(bytes.readUInt32BE())
  if (type === INT8 && bytes.length === 8) return String(bytes.readBigInt64BE())
  if (type === FLOAT4 && bytes.length === 4) return String(bytes.readFloatBE())
  if (type === FLOAT8 && bytes.length === 8) return String(bytes.readDoubleBE())
  const hex = bytes.toString('hex')
  if (type === UUID && bytes.length === 16) return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
  return `\\x${hex}`
}
