/** Shows a bind value in the recording: text as it is, binary as text where its type is known, and as hex otherwise. */

import { showBinary } from './binary-values.ts'
import type { TextDecode } from './client-encoding.ts'

/** `bytes` is the head of a value of `length` bytes; `type` is its OID, 0 where neither the client nor the server has told it. */
export function showValue(bytes: Buffer, length: number, binary: boolean, type: number, decode: TextDecode): string {
  const shown = binary ? showBinary(bytes, type, decode) : decode(bytes)
  return bytes.length < length ? `${shown}… (cut here; ${length} bytes in all)` : shown
}
