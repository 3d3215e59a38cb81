/** What changed between two versions of a resource, as lines that a person can read. */

import { isDeepStrictEqual } from 'node:util'

/** `before` missing: added; `after` missing: taken away. */
export interface Difference {
  readonly path: string
  readonly before?: string
  readonly after?: string
}

type Leaf = string | readonly string[]
type Leaves = Map<string, Leaf>

const DURATIONS = new Set([
  ...['maxSession', 'idle', 'rememberFactor', 'session.moderator.waitFor', 'session.moderator.absent'],
  ...['every', 'jitter', 'verifyEvery', 'retention.for'],
  ...['when.atMost', 'when.firstOnTarget.within', 'ask.for'],
])

const DURATION_INSIDE = /(^|\.)checkOut\.maxTime$|^onRequest\..*\.(maxTime|validFor|within)$/

/** Empty when they are the same, and only then; an empty text is the same as none. Lists of names or keys are compared by their members. */
export function differences(before: object, after: object): Difference[] {
  const [old, now] = [leavesOf(before), leavesOf(after)]
  const found = [...new Set([...old.keys(), ...now.keys()])].flatMap(path =>
    compare(path, old.get(path), now.get(path)),
  )
  return found.length > 0 ? found : compareWhole(before, after)
}

/** What has no leaf of its own: the order of what has names, a list or map without members. */
function compareWhole(before: object, after: object): Difference[] {
  const [old, now] = [plain(before), plain(after)]
  return [...new Set([...Object.keys(old), ...Object.keys(now)])].flatMap(path => {
    const byName = compare(path, namesOf(old[path]), namesOf(now[path]))
    return byName.length > 0 ? byName : compare(path, jsonOf(old[path]), jsonOf(now[path]))
  })
}

function namesOf(value: unknown): string | undefined {
  const names = Array.isArray(value) ? value.map(member => (member as { name?: unknown } | null)?.name) : []
  return names.length > 0 && names.every(name => typeof name === 'string') ? names.join(', ') : undefined
}

function jsonOf(value: unknown): string | undefined {
  return value === '' ? undefined : JSON.stringify(value)
}

/** Without the fields that are undefined. */
function plain(value: object): Record<string, unknown> {
  return JSON.parse(JSON.stringify(value))
}

function compare(path: string, before: Leaf | undefined, after: Leaf | undefined): Difference[] {
  if (isDeepStrictEqual(before, after)) return []
  // Nothing is the same as not given.
  if ((before ?? '') === (after ?? '')) return []
  if (before === undefined) return [{ path, after: text(after!) }]
  if (after === undefined) return [{ path, before: text(before) }]
  if (typeof before === 'string' || typeof after === 'string') {
    return [{ path, before: text(before), after: text(after) }]
  }
  const gone = before.filter(member => !after.includes(member))
  const added = after.filter(member => !before.includes(member))
  // The same members in another order, which may matter.
  if (gone.length + added.length === 0) return [{ path, before: text(before), after: text(after) }]
  return [...gone.map(member => ({ path, before: member })), ...added.map(member => ({ path, after: member }))]
}

function text(leaf: Leaf): string {
  return typeof leaf === 'string' ? leaf : leaf.join(', ')
}

function leavesOf(value: object, prefix = '', leaves: Leaves = new Map()): Leaves {
  for (const [key, member] of Object.entries(value)) {
    const path = prefix === '' ? key : `${prefix}.${key}`
    if (member === undefined) continue
    if (Array.isArray(member)) addList(path, member, leaves)
    else if (typeof member === 'object' && member !== null) leavesOf(member, path, leaves)
    else leaves.set(path, DURATIONS.has(path) || DURATION_INSIDE.test(path) ? formatDuration(member) : String(member))
  }
  return leaves
}

function addList(path: string, members: unknown[], leaves: Leaves): void {
  for (const [index, member] of members.entries()) {
    if (typeof member !== 'object' || member === null || Array.isArray(member)) continue
    // Counted from 1 where it has no name of its own.
    const { name = index + 1, ...rest } = member as { name?: unknown }
    leavesOf(rest, `${path}.${String(name)}`, leaves)
  }
  const plain = members.filter(member => typeof member !== 'object' || Array.isArray(member))
  if (plain.length > 0) {
    leaves.set(
      path,
      plain.map(member => (Array.isArray(member) ? member.join(' and ') : String(member))),
    )
  }
}

/** Milliseconds as people write them in a role: `90s`, `15m`, `8h`, `7d`. */
function formatDuration(ms: number): string {
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
  ] as const
  const fitting = units.find(([, length]) => ms > 0 && ms % length === 0)
  return fitting === undefined ? (ms === 0 ? '0s' : `${ms} ms`) : `${ms / fitting[1]}${fitting[0]}`
}
