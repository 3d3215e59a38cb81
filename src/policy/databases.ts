/** Which database of a PostgreSQL target a request means, and whether the target and a role open it. */

import { MOST_DATABASE_NAME_BYTES } from '../shared/database-names.ts'
import type { PostgresTarget, Target } from '../targets/target.ts'
import { matchesPattern } from './match.ts'
import type { Role } from './role.ts'

const EVERY = '*'

/**
 * The database that the target is asked for where the person names `named`, or none; undefined where the target has no databases.
 * Servers cut names that are too long (ProcessStartupPacket in PostgreSQL's postmaster.c): so they are cut here, before they are compared.
 */
export function databaseOf(named: string | undefined, target: Target): string | undefined {
  return target.protocol === 'postgres' ? cut(named ?? ownDatabase(target)) : undefined
}

/** Where those are who name none. */
export function ownDatabase({ database }: PostgresTarget): string {
  // Early versions accepted an empty name.
  return cut(database || 'postgres')
}

/** Whether the target's entry and the role both open the database. */
export function opensDatabase(role: Role, target: PostgresTarget, database: string): boolean {
  return opens(target.databases, target, database) && opens(role.databases, target, database)
}

/** Whether those who name no database get one that the target's entry opens. */
export function opensOwnDatabase(target: PostgresTarget): boolean {
  return opens(target.databases, target, ownDatabase(target))
}

function opens(patterns: readonly string[] | undefined, target: PostgresTarget, database: string): boolean {
  if (patterns === undefined) return database === ownDatabase(target)
  return patterns.some(pattern => matchesPattern(pattern, database))
}

/**
 * Whether both open whatever there is. Replication needs that: a server lets every replication connection copy the whole cluster
 * (BASE_BACKUP), also one that names a database.
 */
export function opensEveryDatabase(role: Role, target: PostgresTarget): boolean {
  return [target.databases, role.databases].every(patterns => patterns?.includes(EVERY) ?? false)
}

/** For administrators: `report_* (orders opens shop, report_*)`. */
export function describeDatabases(role: Role, target: Target | undefined): string {
  const given = role.databases?.join(', ') ?? "the target's own"
  if (target?.protocol !== 'postgres') return given
  const opened = target.databases?.join(', ') ?? `its own, ${ownDatabase(target)}`
  const lacking = role.channels.includes('replication') && !opensEveryDatabase(role, target)
  return `${given} (${target.name} opens ${opened})${lacking ? '; replication needs "*" in both' : ''}`
}

/** Whole characters only, as CREATE DATABASE cuts a name that is too long. */
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
