/** Which database of a PostgreSQL target a name means. */

import { MOST_DATABASE_NAME_BYTES } from '../../../shared/database-names.ts'
import type { DatabaseFacts } from '../../facts.ts'
import type { PostgresEntry } from './entry.ts'

export const postgresDatabases: DatabaseFacts = {
  // Early versions accepted an empty name.
  own: ({ database }: PostgresEntry) => database || 'postgres',
  opened: ({ databases }: PostgresEntry) => databases,
  read: cut,
  /** A server lets every replication connection copy the whole cluster (BASE_BACKUP), also one that names a database. */
  reachingAll: ['replication'],
}

/**
 * Servers cut names that are too long (ProcessStartupPacket in PostgreSQL's postmaster.c): so they are cut before they are compared. Whole
 * characters only, as CREATE DATABASE cuts a name that is too long.
 */
function cut(name: string): string {
  let end = 0
  let bytes = 0
  for (const character of name) {
    bytes += Buffer.byteLength(character)
    if (bytes > MOST_DATABASE_NAME_BYTES) break
    end += character.length
  }
  return name.slice(0, end)
}
