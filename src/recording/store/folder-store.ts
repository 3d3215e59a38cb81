/** Recordings as files of a folder, in one folder for each day; markers beside them. */

import { type FileHandle, lstat, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../shared/clock.ts'
import { GatewayError } from '../../shared/errors.ts'
import { AppendFile } from '../writing/append-file.ts'
import { ageOf, fileChunks, handleChunks, isMissing, makeFile, openToAppend, openUnlinked } from './files.ts'
import { createMarkers } from './markers.ts'
import { recordingFile } from './paths.ts'
import type { RecordingStore, StoredRecording } from './recording-store.ts'

export function createFolderStore({ folder, clock }: { folder: string; clock: Clock }): RecordingStore {
  const pathOf = (session: string) => join(folder, recordingFile(session))
  return {
    nameOf: recordingFile,

    async create(session, bytes) {
      return new AppendFile(await makeFile(pathOf(session), bytes), bytes.length, clock)
    },

    async untouchedFor(session) {
      const status = await lstat(pathOf(session)).catch(undefinedIfMissing)
      return status === undefined ? undefined : ageOf(status, clock)
    },

    async open(session, to) {
      const handle = await openUnlinked(folder, recordingFile(session), to).catch(undefinedIfMissing)
      return handle === undefined ? undefined : storedAt(handle, pathOf(session))
    },

    read: session => fileChunks(pathOf(session)),
    async putAside(session) {
      const path = pathOf(session)
      await rename(path, await freeName(tornAt(path)))
    },
    markers: createMarkers({ folder, clock }),
  }
}

function storedAt(handle: FileHandle, path: string): StoredRecording {
  const size = async () => (await handle.stat()).size
  return {
    size,

    async readAt(offset, length) {
      const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(length), 0, length, offset)
      return buffer.subarray(0, bytesRead)
    },

    bytesFrom: offset => handleChunks(handle, offset),

    async sealAt(end, seal, before) {
      if (before > end) await keepTorn(handle, path, end, before - end)
      if ((await size()) !== before) throw stillWritten()
      await handle.truncate(end)
      await handle.appendFile(seal)
      await handle.sync()
    },

    close: () => handle.close(),
  }
}

/** Evidence is never destroyed: what is cut off stays beside the recording, behind what an earlier try may have left there. */
async function keepTorn(from: FileHandle, path: string, offset: number, length: number): Promise<void> {
  const torn = await openToAppend(tornAt(path))
  try {
    let kept = 0
    for await (const chunk of handleChunks(from, offset)) {
      await torn.appendFile(chunk)
      kept += chunk.length
    }
    if (kept !== length) throw stillWritten()
    await torn.sync()
  } finally {
    await torn.close()
  }
}

/** What an earlier try left there stays. */
async function freeName(path: string): Promise<string> {
  for (let free = path, number = 2; ; free = `${path}.${number++}`) {
    if ((await lstat(free).catch(undefinedIfMissing)) === undefined) return free
  }
}

function tornAt(path: string): string {
  return `${path}.torn`
}

function stillWritten(): GatewayError {
  return new GatewayError('CONFLICT', 'The recording is still being written.')
}

function undefinedIfMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error
}
