/** Lets Kysely use SQLite on a thread of its own: while a commit waits for the disk there, sessions go on here. */

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import {
  CompiledQuery,
  type DatabaseConnection,
  type DatabaseIntrospector,
  type Dialect,
  type Driver,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import type { Answer, Failure, Request } from './sqlite-thread.ts'
import { databaseUnavailable } from './unavailable.ts'

/** SQLite's result codes that mean that the store cannot be used, rather than that a statement is wrong: https://www.sqlite.org/rescode.html */
const UNAVAILABLE_CODES = new Set([
  5, // SQLITE_BUSY
  6, // SQLITE_LOCKED
  8, // SQLITE_READONLY
  10, // SQLITE_IOERR
  11, // SQLITE_CORRUPT
  13, // SQLITE_FULL
  14, // SQLITE_CANTOPEN
  26, // SQLITE_NOTADB
])

/** `path`: a file, or `:memory:`. The first query throws `DATABASE_UNAVAILABLE` where it cannot be opened. */
export class SqliteThreadDialect implements Dialect {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  createDriver(): Driver {
    return new ThreadDriver(this.#path)
  }

  createQueryCompiler(): SqliteQueryCompiler {
    return new SqliteQueryCompiler()
  }

  createAdapter(): SqliteAdapter {
    return new TransactionalSqliteAdapter()
  }

  createIntrospector(...of: Parameters<Dialect['createIntrospector']>): DatabaseIntrospector {
    return new SqliteIntrospector(...of)
  }
}

/** A migration is one transaction on SQLite too, so that a crash in its midst leaves no half of it. */
class TransactionalSqliteAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}

/** There is one connection; whoever wants it waits for those who came before. */
class ThreadDriver implements Driver {
  readonly #connection: ThreadConnection
  readonly #waiting: (() => void)[] = []
  #taken = false

  constructor(path: string) {
    this.#connection = new ThreadConnection(path)
  }

  async init(): Promise<void> {
    await this.#connection.open()
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    if (this.#taken) await new Promise<void>(resolve => this.#waiting.push(resolve))
    this.#taken = true
    return this.#connection
  }

  async releaseConnection(): Promise<void> {
    // The next one is handed it: nobody who comes now may be quicker.
    const next = this.#waiting.shift()
    if (next === undefined) this.#taken = false
    else next()
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    // Deferred transactions that read first can fail when they write: the lock is taken at once, where waiting for it is possible.
    await connection.executeQuery(CompiledQuery.raw('begin immediate'))
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('commit'))
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('rollback'))
  }

  async destroy(): Promise<void> {
    await this.#connection.close()
  }
}

class ThreadConnection implements DatabaseConnection {
  readonly #path: string
  #thread: Worker | undefined
  /** Why the thread is over, where it did not end by `close`. */
  #fault: Error = new Error('the SQLite store is closed')
  /** Those who wait for an answer: it gives them in the order of the requests. */
  readonly #asking: PromiseWithResolvers<Answer>[] = []

  constructor(path: string) {
    this.#path = path
  }

  async open(): Promise<void> {
    // No flags of the main thread's: a loader or a profiler is for the code there.
    const thread = new Worker(new URL('./sqlite-thread.ts', import.meta.url), { workerData: this.#path, execArgv: [] })
    thread.on('message', answer => this.#take(answer))
    thread.on('error', error => this.#over(error))
    thread.on('exit', () => this.#over(new Error('the thread of the SQLite store has ended')))
    this.#thread = thread
    try {
      await this.#answer(thread)
    } catch (error) {
      await this.close()
      throw error
    }
  }

  async executeQuery<Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>> {
    const thread = this.#thread
    if (thread === undefined) throw databaseUnavailable(this.#fault)
    thread.postMessage({ sql, parameters } satisfies Request)
    return await this.#answer(thread)
  }

  streamQuery(): never {
    throw new Error('rows are not read one by one from SQLite')
  }

  async close(): Promise<void> {
    const thread = this.#thread
    if (thread === undefined) return
    this.#thread = undefined
    thread.postMessage('close' satisfies Request)
    thread.ref()
    await once(thread, 'exit')
  }

  /** The next answer. The thread keeps the process alive as long as somebody waits for one. */
  async #answer<Row>(thread: Worker): Promise<QueryResult<Row>> {
    const asking = Promise.withResolvers<Answer>()
    this.#asking.push(asking)
    thread.ref()
    const answer = await asking.promise
    if (this.#asking.length === 0) this.#thread?.unref()
    if ('failed' in answer) throw errorOf(answer.failed)
    if ('rows' in answer) return { rows: answer.rows as Row[] }
    return { rows: [], numAffectedRows: BigInt(answer.changes), insertId: BigInt(answer.lastInsertRowid) }
  }

  #take(answer: Answer): void {
    this.#asking.shift()?.resolve(answer)
  }

  #over(fault: Error): void {
    if (this.#thread !== undefined) this.#fault = fault
    this.#thread = undefined
    for (const { reject } of this.#asking.splice(0)) reject(databaseUnavailable(fault))
  }
}

function errorOf({ message, ...facts }: Failure): Error {
  const error = Object.assign(new Error(message), facts)
  // The low byte is the primary code: https://www.sqlite.org/rescode.html#pve
  const sqlite = facts.code === 'ERR_SQLITE_ERROR' && UNAVAILABLE_CODES.has((facts.errcode ?? 0) & 0xff)
  return sqlite || facts.syscall !== undefined ? databaseUnavailable(error) : error
}
