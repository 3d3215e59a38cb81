/** Shows a bind value in the recording: text as it is, binary as text where its type is known, and as hex otherwise. */

import { showBinary } from './binary-values.ts'
import { type ClientEncoding, showText, wholeCharacters } from './client-encoding.ts'

/** `bytes` is the head of a value of `length` bytes; `type` is its OID, 0 where neither the client nor the server has told it. */
export function showValue(
  bytes: Buffer,
  length: number,
  binary: boolean,
  type: number,
  encoding: ClientEncoding,
): string {
  if (bytes.length === length) return show(bytes, binary, type, encoding)
  const head = binary ? bytes : wholeCharacters(bytes, encoding)
  return `${show(head, binary, type, encoding)}… (cut here; ${length} bytes in all)`
}

function show(bytes: Buffer, binary: boolean, type: number, encoding: ClientEncoding): string {
  return binary ? showBinary(bytes, type, encoding) : showText(bytes, encoding)
}
