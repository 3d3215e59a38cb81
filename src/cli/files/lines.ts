/** The lines of a text file, one after the other, however long the file is. */

import { createReadStream } from 'node:fs'
import { messageOf } from '../../shared/errors.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import { CliError } from '../exit.ts'

export interface FileLine {
  /** Without its end. Longer ones are cut off at the limit. */
  readonly text: string
  /** From 1. */
  readonly number: number
  /** False for a last line without a newline. */
  readonly whole: boolean
}

/** An audit event is at most 64 KiB of JSON, which escapes may make six times as long. */
const MAX_LINE_BYTES = 1024 * 1024

/** Throws a usage error where the file cannot be read. */
export async function* linesOfFile(path: string): AsyncGenerator<FileLine, void> {
  let rest: Buffer[] = []
  let length = 0
  let number = 0
  const line = (end: Buffer, whole: boolean): FileLine => {
    const bytes = Buffer.concat([...rest, end])
    rest = []
    length = 0
    number++
    return { text: bytes.toString('utf8', 0, MAX_LINE_BYTES), number, whole }
  }
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      let from = 0
      for (let at = chunk.indexOf(0x0a); at !== -1; at = chunk.indexOf(0x0a, from)) {
        yield line(chunk.subarray(from, at), true)
        from = at + 1
      }
      if (from === chunk.length || length > MAX_LINE_BYTES) continue
      rest.push(chunk.subarray(from))
      length += chunk.length - from
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error
    throw new CliError(EXIT.usage, `${path} cannot be read: ${messageOf(error)}.`)
  }
  if (length > 0) yield line(Buffer.alloc(0), false)
}
