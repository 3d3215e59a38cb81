/** Writes what a command brings into a new file. */

import { createWriteStream } from 'node:fs'
import { unlink } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { messageOf } from '../../shared/errors.ts'
import { EXIT } from '../../shared/exit-codes.ts'
import { CliError } from '../exit.ts'

/** A new file, for its owner alone. What was written in part is taken away again: it must not look like the whole. */
export async function writeNewFile(path: string, content: Readable): Promise<void> {
  try {
    await pipeline(content, createWriteStream(path, { mode: 0o600, flags: 'wx' }))
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') throw new CliError(EXIT.no, `There is a file ${path} already; nothing was written.`)
    await unlink(path).catch(() => undefined)
    if (syscall === 'open' || syscall === 'write')
      throw new CliError(EXIT.usage, `-o: ${path} cannot be written: ${messageOf(error)}.`)
    throw error
  }
}
