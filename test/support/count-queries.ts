/** What a store is asked: how many statements, and how many rows they gave. */

import type { Database } from '../../src/database/database.ts'

export interface Asked {
  readonly queries: number
  readonly rows: number
}

/** `during` counts what goes through `database` while the work is done. Transactions on it count too. */
export function countQueries(plain: Database) {
  let queries = 0
  let rows = 0
  const database: Database = plain.withPlugin({
    transformQuery({ node }) {
      queries++
      return node
    },
    async transformResult({ result }) {
      rows += result.rows.length
      return result
    },
  })
  return {
    database,
    async during(work: () => Promise<unknown>): Promise<Asked> {
      queries = 0
      rows = 0
      await work()
      return { queries, rows }
    },
  }
}
