/** Reads what a client asks (Query, Parse, Bind, Describe, Execute, Close), also where only the head of a long body was kept. */

import { BodyReader } from './message-body.ts'

/** A text that may have been cut: `bytes` is not copied. */
export interface Text {
  readonly bytes: Buffer
  readonly cut: boolean
}

/** The text up to its NUL, or, where the body was cut before that, all that is there. */
function textAt(bytes: Buffer, start: number, end: number, whole: boolean): Text {
  const nul = bytes.indexOf(0, start)
  if (nul !== -1 && nul < end) return { bytes: bytes.subarray(start, nul), cut: false }
  // A text that does not end is the target's to refuse; what is there of it is what was asked.
  return { bytes: bytes.subarray(start, end), cut: !whole }
}

export function readQuery(bytes: Buffer, start: number, end: number, length: number): Text {
  return textAt(bytes, start, end, end - start === length)
}

export interface ParseRequest {
  readonly name: string
  readonly text: Text
  /** Type OIDs that the client gave; 0 or missing: the server infers. */
  readonly types: readonly number[]
}

/** Throws PROTOCOL_VIOLATION. */
export function readParse(bytes: Buffer, start: number, end: number, length: number): ParseRequest {
  const reader = new BodyReader(bytes, start, end)
  const name = reader.name()
  const whole = end - start === length
  const text = textAt(bytes, end - reader.remaining, end, whole)
  if (!whole) return { name, text, types: [] }
  reader.cstringBytes()
  const types: number[] = []
  for (let count = reader.uint16(); count > 0; count--) types.push(reader.uint32())
  return { name, text, types }
}

/** Portal and statement of a Bind. Throws PROTOCOL_VIOLATION. */
export function readBindNames(bytes: Buffer, start: number, end: number): { portal: string; statement: string } {
  const reader = new BodyReader(bytes, start, end)
  return { portal: reader.name(), statement: reader.name() }
}

type Show = (index: number, bytes: Buffer, binary: boolean, length: number) => string

/**
 * The values of a Bind, each through `show`; null stays null. `bytes` holds less than `length` where the value was cut.
 * Throws PROTOCOL_VIOLATION.
 */
export function readBindValues(body: Buffer, length: number, show: Show): (string | null)[] {
  const reader = new BodyReader(body)
  reader.skipName()
  reader.skipName()
  return readValues(reader, body.length === length, show)
}

/** The number (OID) of the function of a FunctionCall. Throws PROTOCOL_VIOLATION. */
export function readFunction(bytes: Buffer, start: number, end: number): number {
  return new BodyReader(bytes, start, end).uint32()
}

/** The arguments of a FunctionCall, as {@link readBindValues} gives those of a Bind. */
export function readArguments(body: Buffer, length: number, show: Show): (string | null)[] {
  const reader = new BodyReader(body)
  reader.uint32()
  return readValues(reader, body.length === length, show)
}

function readValues(reader: BodyReader, whole: boolean, show: Show): (string | null)[] {
  const formats: number[] = []
  for (let count = reader.uint16(); count > 0; count--) formats.push(reader.int16())
  const values: (string | null)[] = []
  for (let count = reader.uint16(); values.length < count; ) {
    if (!whole && reader.remaining < 4) break
    const size = reader.int32()
    const index = values.length
    // One format stands for all values, none means text (protocol-message-formats, Bind).
    const binary = (formats.length === 1 ? formats[0] : formats[index]) === 1
    if (size === -1) values.push(null)
    else values.push(show(index, reader.bytes(whole ? size : Math.min(size, reader.remaining)), binary, size))
  }
  return values
}

/** Describe and Close: which kind (`S` statement, `P` portal) and its name. Throws PROTOCOL_VIOLATION. */
export function readNamed(bytes: Buffer, start: number, end: number): { kind: 'S' | 'P'; name: string } {
  const reader = new BodyReader(bytes, start, end)
  return { kind: reader.byte() === 0x53 ? 'S' : 'P', name: reader.name() }
}

/** The portal of an Execute. Throws PROTOCOL_VIOLATION. */
export function readExecutePortal(bytes: Buffer, start: number, end: number): string {
  return bytes[start] === 0 ? '' : new BodyReader(bytes, start, end).name()
}
