/** Where audit events go besides the store: JSON lines in a file or on stdout. */

import { type FileHandle, open } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { GatewayError, messageOf } from '../../shared/errors.ts'
import { parseLine } from './line.ts'

export interface AuditSink {
  /** For the log: `file /var/log/…`. */
  readonly name: string
  /** The last event of each gateway at the end of what is there already, written by processes before this one. */
  readonly lasts?: readonly { readonly gateway: string; readonly seq: number }[] | undefined
  /** Writes whole lines; when it rejects, nothing of them was written, and they come again later. */
  write(text: string): Promise<void>
  reopen(): Promise<void>
  close(): Promise<void>
}

/**
 * Appends to a file that only its owner may read; each gateway has a file of its own. A line that was written in part (a crash,
 * a full disk) is taken back. Throws `CONFIG_INVALID` when the file cannot be opened.
 */
export async function openFileSink(path: string): Promise<AuditSink> {
  let file: FileHandle = await openFile(path)
  const lasts = await mendEnd(file)
  return {
    name: `file ${path}`,
    lasts,
    async write(text) {
      const { size } = await file.stat()
      try {
        await file.appendFile(text)
      } catch (error) {
        await file.truncate(size).catch(() => undefined)
        throw error
      }
    },
    async reopen() {
      const next = await openFile(path)
      await file.close()
      file = next
    },
    close: () => file.close(),
  }
}

/** Writes to stdout (or another stream) and honours its backpressure. */
export function createStreamSink(stream: Writable = process.stdout): AuditSink {
  return {
    name: 'stdout',
    write: text => new Promise((resolve, reject) => stream.write(text, error => (error ? reject(error) : resolve()))),
    reopen: async () => undefined,
    close: async () => undefined,
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'a+', 0o600)
  } catch (cause) {
    throw new GatewayError('CONFIG_INVALID', `The audit file cannot be opened: ${messageOf(cause)}`, { cause })
  }
}

/** Longer than any line: see MAX_DATA_LENGTH in `audit-log.ts`. */
const END_BYTES = 512 * 1024

/** Takes back a last line that is not whole, and gives the last events that are. */
async function mendEnd(file: FileHandle): Promise<AuditSink['lasts']> {
  const status = await file.stat()
  if (!status.isFile()) return undefined
  const start = Math.max(0, status.size - END_BYTES)
  const end = Buffer.alloc(status.size - start)
  const { bytesRead } = await file.read(end, 0, end.length, start)
  const whole = end.subarray(0, bytesRead).lastIndexOf('\n') + 1
  if (whole === 0 && start > 0) return undefined
  if (start + whole < status.size) await file.truncate(start + whole)
  const lasts = new Map<string, number>()
  for (const line of end.toString('utf8', 0, whole).split('\n')) {
    const row = parseLine(line)
    if (row !== undefined) lasts.set(row.gateway, Math.max(row.seq, lasts.get(row.gateway) ?? 0))
  }
  return Array.from(lasts, ([gateway, seq]) => ({ gateway, seq }))
}
