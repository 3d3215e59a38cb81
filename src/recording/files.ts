/** Files of recordings: made for their owner alone, and opened without following a link that somebody put in their place. */

import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, realpath, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'

const { O_WRONLY, O_RDWR, O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants

/** Makes a new file (never one that is there) with these bytes; open for appending. */
export async function makeFile(path: string, bytes: Buffer): Promise<FileHandle> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const handle = await open(path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  try {
    // Also repeats the write where the disk took only a part.
    await writeFile(handle, bytes)
    return handle
  } catch (error) {
    await handle.close()
    await unlink(path).catch(() => undefined)
    throw error
  }
}

/**
 * Opens what lies at `file` below the folder, to be sealed: a file itself, not a link to one, also not by a folder that is one, nor
 * a pipe that would never end. Throws `RECORDING_DAMAGED` for those, and the system's error where there is nothing.
 */
export async function openUnlinked(folder: string, file: string): Promise<FileHandle> {
  const path = join(folder, file)
  const within = join(await realpath(folder), file)
  if ((await realpath(dirname(path))) !== dirname(within)) throw notPlain('a folder on the way to it is a link')
  const handle = await open(path, O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ELOOP' ? notPlain('it is a link') : error
  })
  if ((await handle.stat()).isFile()) return handle
  await handle.close()
  throw notPlain('it is no file')
}

/** A file's time is this far ahead only where a clock was set back, or somebody set it: nobody touched it lately. */
const FUTURE_MS = 60_000

/** How long ago a file was touched, in milliseconds. */
export function ageOf({ mtimeMs }: { readonly mtimeMs: number }, clock: Clock): number {
  const age = clock.now() - mtimeMs
  return age < -FUTURE_MS ? Number.POSITIVE_INFINITY : age
}

export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}

function notPlain(why: string): GatewayError {
  return new GatewayError('RECORDING_DAMAGED', `What lies in the place of the recording is not one: ${why}.`)
}
