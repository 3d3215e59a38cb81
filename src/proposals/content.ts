/** What a proposal would change: each resource as it was and as it is to be, so that exactly that is carried out, or nothing. */

import { createHash } from 'node:crypto'
import type { User } from '../identity/user.ts'
import { formatChange } from '../resources/format-plan.ts'
import type { PlacedResource } from '../resources/parse.ts'
import type { Plan, Planned, ResourceChange, ResourceName, StoredTexts } from '../resources/plan.ts'
import type { Resource, ResourceKind } from '../resources/resource.ts'
import type { Scope } from '../shared/scopes.ts'

/** `before` and `after`: as they are stored, as JSON; null where there is none. */
export interface ContentChange extends ResourceChange {
  readonly before: string | null
  readonly after: string | null
}

export interface Content {
  readonly changes: readonly ContentChange[]
  /** Roles that users get by it, and that it does not change: what they give is part of what was looked at. */
  readonly restsOn: readonly (ResourceName & { readonly text: string | null })[]
  /** What whoever proposes it must be able to do. */
  readonly scopes: readonly Scope[]
}

export function contentOf({ plan, puts, seen }: Planned): Content {
  const values = new Map(puts.map(({ kind, value }) => [keyOf(kind, value.name), value]))
  const changes = plan.changes.map(change => {
    const value = values.get(keyOf(change.kind, change.name))
    return {
      ...change,
      before: seen[change.kind].get(change.name) ?? null,
      after: value === undefined ? null : JSON.stringify(value),
    }
  })
  const changed = new Set(changes.map(({ kind, name }) => keyOf(kind, name)))
  const named = new Set(
    puts
      .flatMap(({ kind, value }) => (kind === 'user' ? (value as User).roles : []))
      .filter(role => !changed.has(keyOf('role', role))),
  )
  const policies = plan.changes.some(({ kind }) => kind === 'rotation-policy')
  return {
    changes,
    restsOn: [...named].sort().map(name => ({ kind: 'role' as const, name, text: seen.role.get(name) ?? null })),
    scopes: [...new Set<Scope>(['administrate', ...plan.scopesGiven, ...(policies ? ['rotate' as const] : [])])],
  }
}

/** The same for the same change of the same base. */
export function digestOf({ changes, restsOn }: Content): string {
  const facts = [changes.map(({ kind, name, before, after }) => [kind, name, before, after]), restsOn]
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex')
}

/** Its resources, as files would describe them. */
export function described({ changes }: Content): PlacedResource[] {
  return changes.flatMap(({ kind, name, after }) => {
    if (after === null) return []
    const value = JSON.parse(after) as Resource['value']
    const at: PlacedResource['at'] = (_path, message) => ({ file: `${kind} ${name}`, line: 1, column: 1, message })
    return [{ kind, value, at, written: new Set(Object.keys(value)) } as PlacedResource]
  })
}

export function deletionsOf({ changes }: Content): ResourceName[] {
  return changes.filter(({ after }) => after === null)
}

/** The first resource that is not as it was when this was proposed. */
export function movedOn({ changes, restsOn }: Content, seen: StoredTexts): ResourceName | undefined {
  const same = (kind: ResourceKind, name: string, text: string | null) => (seen[kind].get(name) ?? null) === text
  return (
    changes.find(({ kind, name, before }) => !same(kind, name, before)) ??
    restsOn.find(({ kind, name, text }) => !same(kind, name, text))
  )
}

/** Whether that plan is this change, and nothing else. */
export function isSameChange({ changes }: Content, plan: Plan): boolean {
  const texts = (all: readonly ResourceChange[]) =>
    all.map(({ kind, name, action }) => `${action} ${kind} ${name}`).sort()
  return JSON.stringify(texts(changes)) === JSON.stringify(texts(plan.changes))
}

/** All of it: nothing is cut where somebody decides on it. */
export function linesOf({ changes }: Content): string[] {
  return changes.flatMap(change => formatChange(change, Number.POSITIVE_INFINITY))
}

function keyOf(kind: ResourceKind, name: string): string {
  return `${kind} ${name}`
}
