/** Files of recordings: made for their owner alone, and opened without following a link that somebody put in their place. */

import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, realpath, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Clock } from '../../shared/clock.ts'
import { GatewayError } from '../../shared/errors.ts'

const { O_RDONLY, O_WRONLY, O_RDWR, O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants

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

const ACCESS = { read: O_RDONLY, seal: O_RDWR | O_APPEND }

/**
 * Opens what lies at `file` below the folder: a file itself, not a link to one, also not by a folder that is one, nor a pipe that
 * would never end. Throws `RECORDING_DAMAGED` for those, and the system's error where there is nothing.
 */
export async function openUnlinked(
  folder: string,
  file: string,
  to: keyof typeof ACCESS = 'seal',
): Promise<FileHandle> {
  const path = join(folder, file)
  const within = join(await realpath(folder), file)
  if ((await realpath(dirname(path))) !== dirname(within)) throw notPlain('a folder on the way to it is a link')
  const handle = await open(path, ACCESS[to] | O_NOFOLLOW | O_NONBLOCK).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ELOOP' ? notPlain('it is a link') : error
  })
  return fileAlone(handle)
}

/** Opens to read what lies at this path, or what it links to. Throws `RECORDING_DAMAGED` for what is no file: a pipe would hold a thread for ever. */
export async function openToRead(path: string): Promise<FileHandle> {
  return fileAlone(await open(path, O_RDONLY | O_NONBLOCK))
}

/** Opens a file to append to, made where there is none. A link in its place is somebody's who wants another file written: it is taken away. */
export async function openToAppend(path: string): Promise<FileHandle> {
  const openIt = () => open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600)
  const handle = await openIt().catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ELOOP') throw error
    await unlink(path)
    return openIt()
  })
  return fileAlone(handle)
}

async function fileAlone(handle: FileHandle): Promise<FileHandle> {
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

const CHUNK_BYTES = 256 * 1024

/** A file's bytes from its beginning. Throws `NOT_FOUND` where there is none, `RECORDING_DAMAGED` for what is no file. */
export async function* fileChunks(path: string): AsyncGenerator<Buffer, void> {
  const handle = await openToRead(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') throw cause
    throw new GatewayError('NOT_FOUND', 'There is no such recording.', { cause })
  })
  try {
    yield* handleChunks(handle)
  } finally {
    await handle.close()
  }
}

/** The same of a file that is open and stays so. */
export async function* handleChunks(handle: FileHandle, from = 0): AsyncGenerator<Buffer, void> {
  for (let position = from; ; ) {
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, position)
    if (bytesRead === 0) return
    position += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}
