/** Which targets a request is for: by their names, or in what earlier versions stored, by patterns and labels. */

import type { Role } from '../policy/role.ts'
import type { AskedAccess, RequestedAccess } from './request.ts'

/** One target, or all that a role offers of those with these labels or names. */
export type WhichTargets = { readonly target: string } | { readonly selector: Role['targets'] }

/** Of what it gives, or would; undefined: not by their names. */
export function targetNames({ state, wish }: RequestedAccess): readonly string[] | undefined {
  return exactNames(state.given ?? wish)
}

export function exactNames({ targets }: Pick<AskedAccess, 'targets'>): readonly string[] | undefined {
  const { names = [], labels = {} } = targets
  return names.length > 0 && Object.keys(labels).length === 0 && !names.some(isPattern) ? names : undefined
}

/** Where it was asked for one target, by its name. */
export function oneTargetOf({ wish }: RequestedAccess): string | undefined {
  const on = onOf(wish)
  return 'target' in on ? on.target : undefined
}

/** The one target that it is for, or which ones. */
export function onOf(asked: Pick<AskedAccess, 'targets'>): WhichTargets {
  const names = exactNames(asked)
  return names?.length === 1 ? { target: names[0]! } : { selector: asked.targets }
}

function isPattern(name: string): boolean {
  return name.endsWith('*')
}
