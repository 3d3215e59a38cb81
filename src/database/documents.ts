/** Declared resources (users, roles, targets, rotation policies, review rules, request templates) as documents in the store, parsed by their schema on the way out. */

import { sql } from 'kysely'
import type { Clock } from '../shared/clock.ts'
import type { Database } from './database.ts'
import { rememberParsed } from './parsed-texts.ts'
import { slices } from './slices.ts'

export interface Documents<T extends { name: string }> {
  /** Frozen, as those of `getAll`: whoever reads the same text gets the same document. */
  get(name: string): Promise<T | undefined>
  /** Those of these that there are, by name: one query, also for no name at all, and one for every 500 names. */
  getAll(names: readonly string[]): Promise<T[]>
  /** All of them, by name. */
  list(): Promise<T[]>
  /** All of them, so many at a time, in the store's own order. */
  pages(size: number): AsyncIterable<T[]>
  /** One of these pages: what follows on `after`, in the store's own order. */
  page(page: DocumentPage): Promise<T[]>
  /** All of them as they are stored, by name: what `read` makes a document of. */
  texts(): Promise<Map<string, string>>
  /** Throws where the text is none that was stored. */
  read(text: string): T
  /** In the store, or in a transaction on it. */
  put(document: T, on?: Database): Promise<void>
  /** The same of many, some hundred with a query. */
  putAll(documents: readonly T[], on?: Database): Promise<void>
  remove(name: string): Promise<void>
  removeAll(names: readonly string[]): Promise<void>
}

export interface DocumentPage {
  /** A name, which need not be there; not given: from the first on. */
  readonly after?: string | undefined
  readonly limit: number
}

/**
 * `T` is the schema's output. Stored documents are outputs too, so a schema must accept its own output: a duration is stored as
 * milliseconds and read back as such.
 */
export function createDocuments<T extends { name: string }>(
  table: 'users' | 'roles' | 'targets' | 'rotation_policies' | 'review_rules' | 'request_templates',
  parse: (stored: unknown) => T,
  { database, clock }: { database: Database; clock: Clock },
  /** What of a document has a column of its own: the same columns of each. */
  columns: (document: T) => Readonly<Record<string, string>> = () => ({}),
): Documents<T> {
  const read = (text: string): T => parse(JSON.parse(text))
  /** For those that are asked for by name, again and again; who reads all of them would only push these out. */
  const readNamed = rememberParsed(read)
  // Sorted here: engines and their locales order names differently.
  const byName = (rows: { name: string; document: string }[]) => rows.sort((a, b) => (a.name < b.name ? -1 : 1))

  async function putAll(documents: readonly T[], on = database): Promise<void> {
    for (const some of slices(documents)) {
      const rows = some.map(document => ({
        name: document.name,
        document: JSON.stringify(document),
        updated_at: clock.now(),
        ...columns(document),
      }))
      const changed = Object.keys(rows[0]!).filter(column => column !== 'name')
      await on
        .insertInto(table)
        .values(rows)
        .onConflict(conflict =>
          conflict
            .column('name')
            .doUpdateSet(Object.fromEntries(changed.map(column => [column, sql.ref(`excluded.${column}`)]))),
        )
        .execute()
    }
  }

  async function page({ after, limit }: DocumentPage): Promise<T[]> {
    let select = database.selectFrom(table).select('document').orderBy('name').limit(limit)
    if (after !== undefined) select = select.where('name', '>', after)
    return (await select.execute()).map(row => read(row.document))
  }

  return {
    read,
    putAll,
    async get(name) {
      const row = await database.selectFrom(table).select('document').where('name', '=', name).executeTakeFirst()
      return row === undefined ? undefined : readNamed(row.document)
    },
    async getAll(names) {
      const rows: { name: string; document: string }[] = []
      // The empty name is nobody's.
      for (const some of names.length > 0 ? slices(names) : [['']]) {
        rows.push(
          ...(await database.selectFrom(table).select(['name', 'document']).where('name', 'in', some).execute()),
        )
      }
      return byName(rows).map(row => readNamed(row.document))
    },
    async texts() {
      const rows = await database.selectFrom(table).select(['name', 'document']).execute()
      return new Map(byName(rows).map(row => [row.name, row.document]))
    },
    async list() {
      const rows = await database.selectFrom(table).select(['name', 'document']).execute()
      return byName(rows).map(row => read(row.document))
    },
    page,
    async *pages(size) {
      for (let after: string | undefined; ; ) {
        const some = await page({ after, limit: size })
        yield some
        if (some.length < size) return
        after = some.at(-1)!.name
      }
    },
    put: (document, on) => putAll([document], on),
    remove: name => removeAll([name]),
    removeAll,
  }

  async function removeAll(names: readonly string[]): Promise<void> {
    for (const some of slices(names)) await database.deleteFrom(table).where('name', 'in', some).execute()
  }
}
