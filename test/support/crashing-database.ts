/** A store whose process dies at a chosen statement: from there on nothing is answered, and nothing more reaches it. */

import { type Dialect, Kysely, PostgresDialect } from 'kysely'
import type { Database } from '../../src/database/database.ts'
import { openPostgresPool } from '../../src/database/postgres-pool.ts'
import type { Schema } from '../../src/database/schema.ts'
import { SqliteThreadDialect } from '../../src/database/sqlite-dialect.ts'

/** Counts the steps of a process, and lets it die at one of them. */
export class Crash {
  #left: number
  #crashed = Promise.withResolvers<'crashed'>()
  armed = false
  steps = 0

  /** `at`: the step, from 1 on, that is the last: an even one is carried out and not answered, an odd one is not even begun. */
  constructor(at: number) {
    this.#left = at
  }

  /** Resolves when the process is dead. */
  get dead(): Promise<'crashed'> {
    return this.#crashed.promise
  }

  async around<T>(act: () => Promise<T>): Promise<T> {
    await this.#step()
    const value = await act()
    await this.#step()
    return value
  }

  #step(): Promise<void> | undefined {
    if (!this.armed) return undefined
    this.steps++
    if (--this.#left > 0) return undefined
    this.#crashed.resolve('crashed')
    return new Promise(() => undefined)
  }
}

/** The store at the URL, which is migrated already, as a process sees it that dies by `crash`. */
export function openCrashing(url: string, crash: Crash): Database {
  const dialect = url.startsWith('sqlite:')
    ? new SqliteThreadDialect(url.slice('sqlite:'.length))
    : new PostgresDialect({ pool: openPostgresPool(url, 'limited', 3) })
  return new Kysely<Schema>({ dialect: crashing(dialect, crash) })
}

function crashing(dialect: Dialect, crash: Crash): Dialect {
  return {
    createAdapter: () => dialect.createAdapter(),
    createIntrospector: database => dialect.createIntrospector(database),
    createQueryCompiler: () => dialect.createQueryCompiler(),
    createDriver() {
      const driver = dialect.createDriver()
      const known = new WeakSet<object>()
      const acquire = driver.acquireConnection.bind(driver)
      driver.acquireConnection = async () => {
        const connection = await acquire()
        if (known.has(connection)) return connection
        known.add(connection)
        const execute = connection.executeQuery.bind(connection)
        connection.executeQuery = query => crash.around(() => execute(query)) as never
        return connection
      }
      return driver
    },
  }
}
