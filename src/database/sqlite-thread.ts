/** A thread that has the one connection to an SQLite store (`sqlite-dialect.ts` starts it): it answers each request before it takes the next. */

import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { makePrivate } from './private-file.ts'

/** How long other processes (workers, a backup) may hold the file before a statement fails. They do not stand in line for it. */
const BUSY_TIMEOUT_MS = 10_000
/** https://www.sqlite.org/rescode.html#busy */
const SQLITE_BUSY = 5
const RETRY_MS = 50

/** One statement, or the end: the thread closes the store and is over then. */
export type Request = { readonly sql: string; readonly parameters: readonly unknown[] } | 'close'

export type Answer =
  | { readonly rows: unknown[] }
  | { readonly changes: number | bigint; readonly lastInsertRowid: number | bigint }
  | { readonly failed: Failure }

/** What is passed on of an error: of an Error itself only the message would come over. */
export interface Failure {
  readonly message: string
  readonly code?: string
  /** SQLite's extended result code: https://www.sqlite.org/rescode.html */
  readonly errcode?: number
  readonly syscall?: string
}

const port = parentPort!
const path = workerData as string
let database: DatabaseSync

// Of each request, also of the one to be there, one answer: none can be taken for that of another.
answer(() => {
  database = open(path)
  return { rows: [] }
})
port.on('message', (request: Request) => {
  if (request !== 'close') return answer(() => run(request.sql, request.parameters))
  database?.close()
  port.close()
})

function answer(make: () => Answer): void {
  let made: Answer
  try {
    made = make()
  } catch (error) {
    const { message, code, errcode, syscall } = error as Failure
    made = { failed: { message, code, errcode, syscall } }
  }
  port.postMessage(made)
}

/** Every commit is on the disk before it is acknowledged (https://www.sqlite.org/pragma.html#pragma_synchronous). */
function open(path: string): DatabaseSync {
  // SQLite gives `-wal` and `-shm` the mode of the file itself: https://www.sqlite.org/wal.html
  if (path !== ':memory:') makePrivate(path)
  const opened = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS })
  try {
    useWal(opened)
    opened.exec('PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF')
  } catch (error) {
    opened.close()
    throw error
  }
  return opened
}

/** A new file is made a WAL file by one process alone, and for that SQLite does not wait by itself as for other locks. */
function useWal(opened: DatabaseSync): void {
  for (let waitedMs = 0; ; waitedMs += RETRY_MS) {
    try {
      opened.exec('PRAGMA journal_mode=WAL')
      return
    } catch (error) {
      const busy = (((error as Failure).errcode ?? 0) & 0xff) === SQLITE_BUSY
      if (!busy || waitedMs >= BUSY_TIMEOUT_MS) throw error
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS)
  }
}

function run(sql: string, parameters: readonly unknown[]): Answer {
  // A full disk makes SQLite roll back by itself; an error of this statement would then hide the one that tells why.
  if (sql === 'rollback' && !database.isTransaction) return { rows: [] }
  const statement = database.prepare(sql)
  const values = parameters as SQLInputValue[]
  // INSERT ... RETURNING gives rows as well, and then has columns.
  if (statement.columns().length > 0) return { rows: statement.all(...values) }
  const { changes, lastInsertRowid } = statement.run(...values)
  return { changes, lastInsertRowid }
}
