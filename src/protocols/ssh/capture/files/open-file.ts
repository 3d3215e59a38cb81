/** A file that an SFTP session has open, and what is recorded of it when it is closed. */

import { type AskedFile, type AskFile, answered } from './asked-files.ts'
import type { FileEvent } from './file-event.ts'
import type { FileTransfer } from './file-transfer.ts'

export interface OpenFile {
  readonly path: string
  readonly operation: 'list' | 'upload' | 'download'
  /** From the first request to read, or to write, on; of a file that is open for writing, from its opening on. */
  read: FileTransfer | undefined
  written: FileTransfer | undefined
  /** Data came to it from another file of the target. */
  copiedTo: boolean
  error: string | undefined
  readonly asked: AskedFile | undefined
}

export function openFile(path: string, operation: OpenFile['operation'], ask: AskFile | undefined): OpenFile {
  const asked = ask?.({ operation, path })
  return { path, operation, read: undefined, written: undefined, copiedTo: false, error: undefined, asked }
}

export function openFailed({ asked, path, operation }: OpenFile, error: string): FileEvent {
  return answered(asked, { operation, path, error })
}

/** What was written to it and read from it. */
export function transfersOf({ path, read, written, copiedTo, asked, ...file }: OpenFile): FileEvent[] {
  const error = file.error === undefined ? {} : { error: file.error }
  const events: FileEvent[] = []
  // What a copy on the target brought has its own event.
  if (written !== undefined && (written.bytes > 0 || !copiedTo || file.error !== undefined)) {
    events.push(answered(asked, { operation: 'upload', path, ...written.result(), ...error }))
  }
  if (read !== undefined && (written === undefined || read.bytes > 0)) {
    events.push(answered(asked, { operation: 'download', path, ...read.result(), ...error }))
  }
  return events
}
