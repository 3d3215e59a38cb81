/** Compares what the files say with what the store holds: what would change, and whether it may. */

import { isDeepStrictEqual } from 'node:util'
import { nearest } from '../config/nearest.ts'
import type { Problem } from '../config/yaml-source.ts'
import type { User } from '../identity/user.ts'
import { scopesAtMost } from '../policy/api-scopes.ts'
import { rolesNamedBy } from '../policy/on-request.ts'
import type { Role } from '../policy/role.ts'
import { protocolOf } from '../protocols/registered.ts'
import type { RotationPolicy } from '../rotation/policies/rotation-policy.ts'
import type { AccountAddress } from '../shared/names.ts'
import type { Scope } from '../shared/scopes.ts'
import type { Target } from '../targets/target.ts'
import { rolesOfRule } from './check-review-rule.ts'
import { type Difference, differences } from './difference.ts'
import { type PlacedResource, somewhere } from './parse.ts'
import { RESOURCE_KINDS, type Resource, type ResourceKind } from './resource.ts'
import { sameLogins } from './same-logins.ts'
import { StoredDocuments } from './stored-documents.ts'
import type { Stores } from './stores.ts'
import { findUnfitPolicies, type KnownConnectors } from './unfit-policies.ts'
import { findUnreachable } from './unreachable.ts'

export interface ResourceName {
  readonly kind: ResourceKind
  readonly name: string
}

export interface ResourceChange extends ResourceName {
  readonly action: 'create' | 'update' | 'delete'
  readonly differences: readonly Difference[]
}

export interface Plan {
  /** In the order in which they are made. */
  readonly changes: readonly ResourceChange[]
  readonly unchanged: number
  /** Resources of the files' kinds that no file speaks of: kept, but for `prune`. */
  readonly unmanaged: readonly ResourceName[]
  /** Users who are taken away or newly disabled: their sessions must end. */
  readonly withdrawnUsers: readonly string[]
  /** As they are to be, where they are new or changed: their credentials may have to be confirmed. */
  readonly changedTargets: readonly Target[]
  /** Of accounts that can be checked out: those that are one with others, in groups. */
  readonly sameLogins: readonly (readonly AccountAddress[])[]
  /** What new and changed roles, and the roles of new and changed users, give at the API: whoever applies them must have it. */
  readonly scopesGiven: ReadonlySet<Scope>
}

type Stored = Record<ResourceKind, StoredDocuments>

/** What the stores hold, as text, by kind and name. */
export type StoredTexts = Record<ResourceKind, ReadonlyMap<string, string>>

export interface Planned {
  readonly plan: Plan
  readonly problems: readonly Problem[]
  /** What is to be stored, kind by kind in the order in which it is: new or changed. */
  readonly puts: readonly Resource[]
  /** What it follows from: while the stores hold this and nothing else, it is the plan. */
  readonly seen: StoredTexts
}

/**
 * `prune` deletes what no file speaks of, among the kinds that the files have: a file of roles never deletes a user. A role
 * that is named and would not exist is a problem, wherever it is named.
 */
export async function planResources(
  described: readonly PlacedResource[],
  stores: Stores,
  {
    prune = false,
    deletions: told,
    connectors,
  }: { prune?: boolean; deletions?: readonly ResourceName[] | undefined; connectors: KnownConnectors },
  seen?: StoredTexts,
): Promise<Planned> {
  const texts = seen ?? (await readTexts(stores))
  const stored = readDocuments(texts, stores)
  // Of what is stored in these very words nothing more is asked: in a house with many, that is nearly all.
  const same = new Set(described.filter(({ kind, value }) => stored[kind].isSame(value)))
  const resources = described.map(one => (same.has(one) ? one : keepAllowed(keepLearnt(one, stored), stored)))
  const others = resources.filter(one => !same.has(one))
  const changes: ResourceChange[] = []
  const puts: Resource[] = []
  const unmanaged: ResourceName[] = []
  for (const kind of RESOURCE_KINDS) {
    const wanted = resources.filter(resource => resource.kind === kind)
    for (const resource of others) {
      if (resource.kind !== kind) continue
      const { value } = resource
      const before = stored[kind].get(value.name)
      const change = isFromElsewhere(before) ? undefined : changeTo(kind, before, value)
      if (change === undefined) continue
      changes.push(change)
      puts.push(resource)
    }
    if (wanted.length === 0) continue
    const spokenOf = new Set(wanted.map(({ value }) => value.name))
    for (const name of stored[kind].names()) {
      if (!spokenOf.has(name) && !isFromElsewhere(stored[kind].get(name))) unmanaged.push({ kind, name })
    }
  }
  // The other way round: those who name a thing go before it.
  const gone = told ?? (prune ? unmanaged.toReversed() : [])
  const deletions = gone.flatMap(({ kind, name }) => {
    const before = stored[kind].get(name)
    return before === undefined || isFromElsewhere(before) ? [] : [deletion(kind, before)]
  })
  const targets = after<Target>('target', resources, stored, deletions)
  const changedTargets = puts.flatMap(({ kind, value }) => (kind === 'target' ? [value] : []))
  const plan = {
    changes: [...changes, ...deletions],
    unchanged: resources.length - changes.length,
    unmanaged: prune ? [] : unmanaged,
    withdrawnUsers: withdrawn(others, stored, deletions),
    scopesGiven: scopesGivenBy(resources, stored, puts),
    changedTargets,
    sameLogins: sameLogins(changedTargets, [...targets.values()]),
  }
  const problems = [
    ...findTakenNames(others, stored),
    ...findLooseEnds(resources, stored, deletions),
    ...(await findUnreachable(resources, targets)),
    ...findUnfit(resources, stored, deletions, connectors),
  ]
  return { plan, problems, puts, seen: texts }
}

/** Users of another source than files are neither changed nor deleted by them. */
function isFromElsewhere(stored: Resource['value'] | undefined): stored is User & { source: string } {
  return stored !== undefined && 'source' in stored && stored.source !== undefined
}

function findTakenNames(resources: readonly PlacedResource[], stored: Stored): Problem[] {
  return resources.flatMap(({ kind, value: { name }, at }) => {
    const before = stored[kind].get(name)
    if (!isFromElsewhere(before)) return []
    return [at(['name'], `The user ${name} comes from ${before.source}: change them there, or take another name.`)]
  })
}

/** What was learnt from a target (host keys that `sallyport target scan` pinned) stays, while the file says nothing of it and the address is the same. */
function keepLearnt(resource: PlacedResource, stored: Stored): PlacedResource {
  if (resource.kind !== 'target') return resource
  const now = resource.value
  const { learnt } = protocolOf(now.protocol).target
  const before = stored.target.get(now.name) as Target | undefined
  if (learnt === undefined || resource.written.has(learnt) || before?.protocol !== now.protocol) return resource
  const same = now.host === before.host && now.port === before.port && now.via === before.via
  return same ? { ...resource, value: { ...now, [learnt]: before[learnt as keyof Target] } } : resource
}

/** An address that was allowed to be local stays so, while the file says nothing of that and the host is the same. */
function keepAllowed(resource: PlacedResource, stored: Stored): PlacedResource {
  if (resource.kind !== 'target' || resource.written.has('allowLocal')) return resource
  const now = resource.value
  const before = stored.target.get(now.name) as Target | undefined
  if (before?.allowLocal === undefined || before.host !== now.host || before.via !== now.via) return resource
  return { ...resource, value: { ...now, allowLocal: before.allowLocal } }
}

/** Those of a kind, once the files are applied, by name. */
function after<T extends Resource['value']>(
  kind: ResourceKind,
  resources: readonly Resource[],
  stored: Stored,
  deletions: readonly ResourceChange[],
): ReadonlyMap<string, T> {
  const gone = new Set(deletions.filter(one => one.kind === kind).map(({ name }) => name))
  const wanted = resources.flatMap(one => (one.kind === kind ? [one.value] : []))
  return stored[kind].after(wanted, gone) as Map<string, never>
}

/** Rotation policies, once the files are applied. */
function findUnfit(
  resources: readonly PlacedResource[],
  stored: Stored,
  deletions: readonly ResourceChange[],
  connectors: KnownConnectors,
): Problem[] {
  // Nothing else makes one unfit.
  if (!resources.some(({ kind }) => kind === 'rotation-policy' || kind === 'target')) return []
  const policies = [...after<RotationPolicy>('rotation-policy', resources, stored, deletions).values()]
  if (policies.length === 0) return []
  const targets = after<Target>('target', resources, stored, deletions).values()
  return findUnfitPolicies({ resources, policies, targets, connectors })
}

export async function readTexts(stores: Stores): Promise<StoredTexts> {
  return {
    role: await stores.role.texts(),
    target: await stores.target.texts(),
    'rotation-policy': await stores['rotation-policy'].texts(),
    'review-rule': await stores['review-rule'].texts(),
    'request-template': await stores['request-template'].texts(),
    user: await stores.user.texts(),
  }
}

function readDocuments(texts: StoredTexts, stores: Stores): Stored {
  const of = (kind: ResourceKind) => new StoredDocuments(texts[kind], stores[kind].read)
  return {
    role: of('role'),
    target: of('target'),
    'rotation-policy': of('rotation-policy'),
    'review-rule': of('review-rule'),
    'request-template': of('request-template'),
    user: of('user'),
  }
}

function changeTo(
  kind: ResourceKind,
  before: Resource['value'] | undefined,
  after: Resource['value'],
): ResourceChange | undefined {
  const { name } = after
  if (before === undefined) return { kind, name, action: 'create', differences: differences({}, after) }
  return isDeepStrictEqual(plain(before), plain(after))
    ? undefined
    : { kind, name, action: 'update', differences: differences(before, after) }
}

/** As the store would give it back: without the fields that are undefined. */
function plain(value: object): unknown {
  return JSON.parse(JSON.stringify(value))
}

function deletion(kind: ResourceKind, before: Resource['value']): ResourceChange {
  return { kind, name: before.name, action: 'delete', differences: differences(before, {}) }
}

/** Also where a role keeps its scopes and asks for less, or a user keeps their roles and gets another key: both are ways to them. */
function scopesGivenBy(
  resources: readonly PlacedResource[],
  stored: Stored,
  puts: readonly Resource[],
): ReadonlySet<Scope> {
  if (puts.length === 0) return new Set()
  const roles = after<Role>('role', resources, stored, [])
  const giving = puts.flatMap(({ kind, value }) => {
    if (kind === 'role') return [value]
    if (kind !== 'user' || value.disabled) return []
    return value.roles.flatMap(name => roles.get(name) ?? [])
  })
  return scopesAtMost(giving)
}

function withdrawn(
  resources: readonly PlacedResource[],
  stored: Stored,
  deletions: readonly ResourceChange[],
): string[] {
  const removed = deletions.filter(({ kind }) => kind === 'user').map(({ name }) => name)
  const disabled = resources.flatMap(({ kind, value }) => {
    const before = stored.user.get(value.name) as User | undefined
    return kind === 'user' && value.disabled && before?.disabled === false ? [value.name] : []
  })
  return [...removed, ...disabled].sort()
}

/** Roles and targets that would be named but not exist. */
function findLooseEnds(
  resources: readonly PlacedResource[],
  stored: Stored,
  deletions: readonly ResourceChange[],
): Problem[] {
  const roles = namesAfter('role', resources, stored, deletions)
  const problems = resources.flatMap(({ kind, value, at }) =>
    kind !== 'user'
      ? []
      : value.roles.flatMap((role, index) =>
          roles.has(role) ? [] : [at(['roles', index], unknown('role', role, roles))],
        ),
  )
  problems.push(...unknownNamed(resources, roles), ...unknownTargets(resources, stored, deletions))
  if (!deletions.some(({ kind }) => kind === 'role')) return problems
  const gone = new Set(deletions.filter(({ kind }) => kind === 'user').map(({ name }) => name))
  const rewritten = new Set(namesOf(resources, 'user'))
  for (const user of stored.user.values() as Iterable<User>) {
    if (gone.has(user.name) || rewritten.has(user.name)) continue
    for (const { kind, name } of deletions) {
      if (kind !== 'role' || !user.roles.includes(name)) continue
      const cure = isFromElsewhere(user)
        ? `take it from them in ${user.source} first`
        : 'describe the user without it first'
      const message = `The role ${name} would be removed, and the user ${user.name} still has it: ${cure}.`
      problems.push(somewhere(resources)([], message))
    }
  }
  return problems
}

/** Of roles, review rules and request templates: a role that nobody could hold, since there is none of that name. */
function unknownNamed(resources: readonly PlacedResource[], roles: ReadonlySet<string>): Problem[] {
  return resources.flatMap(({ kind, value, at }) => {
    if (kind === 'review-rule')
      return rolesOfRule(value)
        .filter(role => !roles.has(role))
        .map(role => at([], unknown('role', role, roles)))
    if (kind === 'request-template') {
      const { role } = value.ask
      return role === undefined || roles.has(role) ? [] : [at(['ask', 'role'], unknown('role', role, roles))]
    }
    return kind !== 'role'
      ? []
      : (value.onRequest ?? []).flatMap((offer, index) =>
          rolesNamedBy(offer)
            .filter(role => !roles.has(role))
            .map(role => at(['onRequest', index], unknown('role', role, roles))),
        )
  })
}

/** Of request templates: nobody could ever ask by such a one, and nobody would be told why. */
function unknownTargets(
  resources: readonly PlacedResource[],
  stored: Stored,
  deletions: readonly ResourceChange[],
): Problem[] {
  const named = resources.flatMap(({ kind, value, at }) =>
    kind === 'request-template' && value.ask.target !== undefined ? [{ target: value.ask.target, at }] : [],
  )
  if (named.length === 0) return []
  const targets = namesAfter('target', resources, stored, deletions)
  return named
    .filter(({ target }) => !targets.has(target))
    .map(({ target, at }) => at(['ask', 'target'], unknown('target', target, targets)))
}

function unknown(kind: 'role' | 'target', name: string, names: ReadonlySet<string>): string {
  const guess = nearest(name, [...names])
  return `There is no ${kind} ${name}${guess === undefined ? '.' : `; did you mean ${guess}?`} Describe the ${kind} in one of the files first.`
}

/** All of that kind that there would be. */
function namesAfter(
  kind: 'role' | 'target',
  resources: readonly PlacedResource[],
  stored: Stored,
  deletions: readonly ResourceChange[],
): ReadonlySet<string> {
  const names = new Set([...stored[kind].names(), ...namesOf(resources, kind)])
  for (const deleted of deletions) if (deleted.kind === kind) names.delete(deleted.name)
  return names
}

function namesOf(resources: readonly PlacedResource[], kind: ResourceKind): string[] {
  return resources.filter(resource => resource.kind === kind).map(({ value }) => value.name)
}
