/** Declared resources (users, roles, targets, rotation policies) as documents in the store, parsed by their schema on the way out. */

import type { Clock } from '../shared/clock.ts'
import type { Database } from './database.ts'

export interface Documents<T extends { name: string }> {
  get(name: string): Promise<T | undefined>
  /** Those of these that there are, by name: one query, also for no name at all. */
  getAll(names: readonly string[]): Promise<T[]>
  /** All of them, by name. */
  list(): Promise<T[]>
  /** All of them, so many at a time, in the store's own order. */
  pages(size: number): AsyncIterable<T[]>
  /** In the store, or in a transaction on it. */
  put(document: T, on?: Database): Promise<void>
  remove(name: string): Promise<void>
}

/**
 * `T` is the schema's output. Stored documents are outputs too, so a schema must accept its own output: a duration is stored as
 * milliseconds and read back as such.
 */
export function createDocuments<T extends { name: string }>(
  table: 'users' | 'roles' | 'targets' | 'rotation_policies',
  parse: (stored: unknown) => T,
  { database, clock }: { database: Database; clock: Clock },
): Documents<T> {
  const parseAll = (rows: { name: string; document: string }[]): T[] =>
    // Sorted here: engines and their locales order names differently.
    rows.sort((a, b) => (a.name < b.name ? -1 : 1)).map(row => parse(JSON.parse(row.document)))

  return {
    async get(name) {
      const row = await database.selectFrom(table).select('document').where('name', '=', name).executeTakeFirst()
      return row === undefined ? undefined : parse(JSON.parse(row.document))
    },
    async getAll(names) {
      // The empty name is nobody's.
      const wanted = names.length > 0 ? [...names] : ['']
      return parseAll(
        await database.selectFrom(table).select(['name', 'document']).where('name', 'in', wanted).execute(),
      )
    },
    async list() {
      return parseAll(await database.selectFrom(table).select(['name', 'document']).execute())
    },
    async *pages(size) {
      let after: string | undefined
      for (;;) {
        let select = database.selectFrom(table).select(['name', 'document']).orderBy('name').limit(size)
        if (after !== undefined) select = select.where('name', '>', after)
        const rows = await select.execute()
        after = rows.at(-1)?.name
        yield parseAll(rows)
        if (rows.length < size) return
      }
    },
    async put(document, on = database) {
      const values = { document: JSON.stringify(document), updated_at: clock.now() }
      await on
        .insertInto(table)
        .values({ name: document.name, ...values })
        .onConflict(conflict => conflict.column('name').doUpdateSet(values))
        .execute()
    },
    async remove(name) {
      await database.deleteFrom(table).where('name', '=', name).execute()
    },
  }
}
