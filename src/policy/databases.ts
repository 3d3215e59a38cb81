/** Which database of a target a request means, and whether the target and a role open it. */

import type { DatabaseFacts } from '../protocols/facts.ts'
import { protocolOf } from '../protocols/registered.ts'
import type { Target } from '../targets/target.ts'
import { matchesPattern } from './match.ts'
import type { Role } from './role.ts'

const EVERY = '*'

/** The database that the target is asked for where the person names `named`, or none; undefined where the target has no databases. */
export function databaseOf(named: string | undefined, target: Target): string | undefined {
  const databases = databasesOf(target)
  return databases?.read(named ?? databases.own(target))
}

/** Whether the target's entry and the role both open the database. */
export function opensDatabase(role: Role, target: Target, database: string): boolean {
  return opens(openedBy(target), target, database) && opens(role.databases, target, database)
}

/** The database of those who name none, where the target has databases and does not open it. */
export function ownDatabaseClosed(target: Target): string | undefined {
  const own = databaseOf(undefined, target)
  return own === undefined || opens(openedBy(target), target, own) ? undefined : own
}

function opens(patterns: readonly string[] | undefined, target: Target, database: string): boolean {
  if (patterns === undefined) return database === databaseOf(undefined, target)
  return patterns.some(pattern => matchesPattern(pattern, database))
}

/** Whether both open whatever there is: some channels reach every database, whichever one names. */
export function opensEveryDatabase(role: Role, target: Target): boolean {
  return [openedBy(target), role.databases].every(patterns => patterns?.includes(EVERY) ?? false)
}

/**
 * Of the databases that a role gives those that were asked for too, as the role would write them; not asked for: the role's. Where the
 * role gives the target's own alone, that is all there is to ask for.
 */
export function commonDatabases(
  given: readonly string[] | undefined,
  asked: readonly string[] | undefined,
  target: Target,
): string[] | undefined {
  if (asked === undefined) return given === undefined ? undefined : [...given]
  if (given === undefined) {
    const own = databaseOf(undefined, target)
    return own !== undefined && asked.some(pattern => matchesPattern(pattern, own)) ? undefined : []
  }
  return given.flatMap(one => asked.flatMap(other => commonPattern(one, other)))
}

/** What both patterns match, as a pattern; none where there is no such thing. */
function commonPattern(one: string, other: string): string[] {
  const [longer, shorter] = one.length >= other.length ? [one, other] : [other, one]
  // `shop*` and `shop` are of different lengths, and have `shop` in common.
  if (!longer.endsWith('*')) return matchesPattern(shorter, longer) ? [longer] : []
  if (!shorter.endsWith('*')) return matchesPattern(longer, shorter) ? [shorter] : []
  return matchesPattern(shorter, longer.slice(0, -1)) ? [longer] : []
}

/** For administrators: `report_* (orders opens shop, report_*)`. */
export function describeDatabases(role: Role, target: Target | undefined): string {
  const given = role.databases?.join(', ') ?? "the target's own"
  const databases = target && databasesOf(target)
  if (target === undefined || databases === undefined) return given
  const opened = databases.opened(target)?.join(', ') ?? `its own, ${databaseOf(undefined, target)}`
  const lacking = role.channels.filter(channel => databases.reachingAll.includes(channel))
  const missing = lacking.length > 0 && !opensEveryDatabase(role, target)
  return `${given} (${target.name} opens ${opened})${missing ? `; ${lacking.join(' and ')} needs "*" in both` : ''}`
}

function databasesOf({ protocol }: Target): DatabaseFacts | undefined {
  return protocolOf(protocol).databases
}

function openedBy(target: Target): readonly string[] | undefined {
  return databasesOf(target)?.opened(target)
}
