/** A field of a JSON document in a column of text, as text: for an index on it, and for queries that use that. */

import { type Kysely, type RawBuilder, SqliteAdapter, sql } from 'kysely'

/** The same words each time: an index is used for the expression that it was made of alone. */
export function jsonText(on: Pick<Kysely<never>, 'getExecutor'>, column: string, field: string): RawBuilder<string> {
  return on.getExecutor().adapter instanceof SqliteAdapter
    ? sql`json_extract(${sql.ref(column)}, ${sql.lit(`$.${field}`)})`
    : sql`(${sql.ref(column)}::json ->> ${sql.lit(field)})`
}
