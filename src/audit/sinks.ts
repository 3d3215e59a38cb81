/** Where audit events go besides the store: JSON lines to a file or to stdout, in the order of the chain. */

import { type FileHandle, open } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import type { Database } from '../database/database.ts'
import { messageOf } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import type { ChainHead } from './chain.ts'
import { formatLine } from './line.ts'

export interface AuditSink {
  /** For the log: `file /var/log/…`. */
  readonly name: string
  /** Writes whole lines; when it rejects, nothing of them was written, and they come again later. */
  write(text: string): Promise<void>
  reopen(): Promise<void>
  close(): Promise<void>
}

/** Appends to a file that only its owner may read. A partial write (a full disk) is taken back. */
export async function openFileSink(path: string): Promise<AuditSink> {
  const openFile = () => open(path, 'a', 0o600)
  let file: FileHandle = await openFile()
  return {
    name: `file ${path}`,
    async write(text) {
      const { size } = await file.stat()
      try {
        await file.appendFile(text)
      } catch (error) {
        await file.truncate(size)
        throw error
      }
    },
    async reopen() {
      const next = await openFile()
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

interface Feed {
  /** The chain of this gateway has grown up to here. Never blocks: a slow sink never holds up a login. */
  stored(head: ChainHead): void
  reopen(): Promise<void>
  close(): Promise<void>
}

const PAGE = 256
const RETRY_MS = 5000

/**
 * Copies this gateway's events from the store to each sink. A sink that fails is tried again, from the event where it stopped;
 * the store has them all meanwhile.
 */
export function feedSinks({
  database,
  gateway,
  sinks,
  log,
}: {
  database: Database
  gateway: string
  sinks: readonly AuditSink[]
  log?: Log | undefined
}): Feed {
  const feeders = sinks.map(sink => feedOne(database, gateway, sink, log))
  return {
    stored: ({ seq }) => feeders.forEach(feeder => void feeder.upTo(seq)),
    reopen: async () => void (await Promise.all(feeders.map(feeder => feeder.reopen()))),
    close: async () => void (await Promise.all(feeders.map(feeder => feeder.close()))),
  }
}

function feedOne(database: Database, gateway: string, sink: AuditSink, log?: Log) {
  let written = 0
  let wanted = 0
  let failing = false
  let retry: NodeJS.Timeout | undefined
  // One after the other: lines, reopening and closing never overlap.
  let last = Promise.resolve()
  const next = (step: () => Promise<void>) => (last = last.then(step, step))

  async function copy(): Promise<void> {
    while (written < wanted) {
      const rows = await database
        .selectFrom('audit_events')
        .selectAll()
        .where('gateway', '=', gateway)
        .where('seq', '>', written)
        .where('seq', '<=', wanted)
        .orderBy('seq')
        .limit(PAGE)
        .execute()
      if (rows.length > 0) await sink.write(`${rows.map(formatLine).join('\n')}\n`)
      written = rows.length < PAGE ? wanted : rows.at(-1)!.seq
    }
    if (failing) log?.info({ sink: sink.name }, 'audit events are written here again')
    failing = false
  }

  async function tryCopy(): Promise<void> {
    try {
      await copy()
    } catch (error) {
      if (!failing) log?.error({ sink: sink.name, reason: messageOf(error) }, 'audit events cannot be written here')
      failing = true
      clearTimeout(retry)
      retry = setTimeout(() => void next(tryCopy), RETRY_MS).unref()
    }
  }

  return {
    upTo(seq: number) {
      wanted = Math.max(wanted, seq)
      return failing ? last : next(tryCopy)
    },
    reopen: () => next(() => sink.reopen()).then(() => next(tryCopy)),
    async close() {
      await next(tryCopy)
      clearTimeout(retry)
      await next(() => sink.close())
    },
  }
}
