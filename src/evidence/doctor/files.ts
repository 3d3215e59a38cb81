/** The recordings of a folder, in the order of their sessions: the days' folders are in it, and so are the ids in a day. */

import { lstat, readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { EXTENSION, isRecordable, recordingFile, UNSEALED_FOLDER } from '../../recording/store/paths.ts'
import type { Finding } from './finding.ts'

export interface RecordedFile {
  readonly session: string
  /** Relative to the folder. */
  readonly file: string
  readonly bytes: number
  /** When it was last written, in milliseconds since the epoch. */
  readonly touchedAt: number
}

export interface Range {
  /** Session ids from here on, and up to here: both are ids, or what sorts like one. */
  readonly from?: string | undefined
  readonly to?: string | undefined
}

const AT_ONCE = 64
const DEPTH = 3

export async function* filesOf(
  folder: string,
  { from, to }: Range,
  stray: (finding: Finding) => void,
): AsyncGenerator<RecordedFile, void> {
  if (from !== undefined && from === to) {
    const file = await look(folder, recordingFile(from), from)
    if (file !== undefined) yield file
    return
  }
  yield* walk('')

  async function* walk(below: string, depth = 0): AsyncGenerator<RecordedFile, void> {
    const names = []
    for (const entry of await readdir(join(folder, below), { withFileTypes: true }).catch(missingIsEmpty)) {
      if (entry.isDirectory()) {
        if (depth < DEPTH && !(depth === 0 && entry.name === UNSEALED_FOLDER)) names.push(`${entry.name}/`)
      } else if (entry.name.endsWith(EXTENSION)) names.push(entry.name)
    }
    names.sort((a, b) => (a < b ? -1 : 1))
    const wanted: string[] = []
    for (const name of names) {
      const path = join(below, name)
      if (name.endsWith('/')) {
        yield* files(wanted.splice(0))
        yield* walk(path, depth + 1)
      } else if (isInPlace(path)) wanted.push(path)
      else stray(strayFile(path))
    }
    yield* files(wanted)
  }

  async function* files(paths: readonly string[]): AsyncGenerator<RecordedFile, void> {
    for (let at = 0; at < paths.length; at += AT_ONCE) {
      const some = await Promise.all(
        paths.slice(at, at + AT_ONCE).map(path => {
          const session = basename(path, EXTENSION)
          const outside = (from !== undefined && session < from) || (to !== undefined && session > to)
          return outside ? undefined : look(folder, path, session)
        }),
      )
      for (const file of some) if (file !== undefined) yield file
    }
  }
}

function isInPlace(path: string): boolean {
  const session = basename(path, EXTENSION)
  return isRecordable(session) && recordingFile(session) === path
}

function strayFile(path: string): Finding {
  const session = basename(path, EXTENSION)
  if (!isRecordable(session))
    return { code: 'recording-foreign', session: null, what: `${path} is named after no session` }
  return { code: 'recording-doubled', session, what: `${path} is not where the recording of this session lies` }
}

/** Undefined for what is not there, or no file. */
async function look(folder: string, file: string, session: string): Promise<RecordedFile | undefined> {
  const found = await lstat(join(folder, file)).catch(missingIsUndefined)
  return found?.isFile() ? { session, file, bytes: found.size, touchedAt: found.mtimeMs } : undefined
}

function missingIsEmpty(error: NodeJS.ErrnoException): never[] {
  if (error.code === 'ENOENT') return []
  throw error
}

function missingIsUndefined(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined
  throw error
}
