/** Opens a program of the administrator's, and sees that nobody else could have written it; what is run is what was looked at. */

import { constants } from 'node:fs'
import { type FileHandle, open, realpath, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { messageOf } from '../../shared/errors.ts'

const { O_RDONLY, O_NONBLOCK, S_IFMT, S_IFREG } = constants
/** Nobody but its owner may rename what lies in a folder with it: /tmp. */
const STICKY = 0o1000

/** Rejects with what is wrong, and what to do. Whoever calls it closes it. */
export async function openProgram(path: string): Promise<FileHandle> {
  const file = await open(path, O_RDONLY | O_NONBLOCK).catch(error => {
    throw new Error(`the program ${path} cannot be opened: ${messageOf(error)}`)
  })
  try {
    const why = (await whyNot(file)) ?? (await whyNotFolders(path))
    if (why !== undefined) throw new Error(`the program ${path} is not run: ${why}`)
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

async function whyNot(file: FileHandle): Promise<string | undefined> {
  const { mode, uid } = await file.stat()
  if ((mode & S_IFMT) !== S_IFREG) return 'it is not a file'
  if (!isTrusted(uid)) return `it belongs to the user with id ${uid}; it must belong to root or to the gateway's user`
  if ((mode & 0o022) !== 0) return 'others than its owner may write to it: chmod go-w'
  if ((mode & 0o111) === 0) return 'it is not executable: chmod u+x'
  return undefined
}

/** Who can write to a folder can put another file in its place, though only one that is trusted. */
async function whyNotFolders(path: string): Promise<string | undefined> {
  let folder = dirname(await realpath(path))
  while (true) {
    const { mode, uid } = await stat(folder)
    const isOpen = (mode & 0o002) !== 0 && (mode & STICKY) === 0
    if (isOpen) return `everybody may write to its folder ${folder}`
    if (!isTrusted(uid)) return `its folder ${folder} belongs to the user with id ${uid}`
    if (folder === dirname(folder)) return undefined
    folder = dirname(folder)
  }
}

function isTrusted(uid: number): boolean {
  return uid === 0 || uid === process.geteuid!()
}
