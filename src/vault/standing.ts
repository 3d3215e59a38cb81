/** How the versions of a credential stand to their target as it is now: which one may be lent, or why none may. */

import { changedParts, staysWithin, type TargetIdentity } from '../targets/identity.ts'
import type { Binding } from './binding.ts'
import type { SealedVersions } from './sealed-versions.ts'
import type { StoredVersion, StoredVersions } from './version-rows.ts'

export type Standing =
  /** Nothing was ever in force: there are candidates at most. */
  | { readonly state: 'none' }
  | { readonly state: 'in-force'; readonly row: StoredVersion; readonly binding: Binding }
  /** `version`: the one that is the reason. */
  | { readonly state: 'unconfirmed'; readonly version: number; readonly why: string }

/** `binding`: what is confirmed of the account; undefined where nothing is. */
export function standingOf(
  sealed: SealedVersions,
  versions: StoredVersions,
  binding: Binding | undefined,
  now: TargetIdentity | undefined,
): Standing {
  const [newest] = versions
  const unconfirmed = (version: number, why: string) => ({ state: 'unconfirmed', version, why }) as const
  if (now === undefined) return unconfirmed(newest.version, 'its target is gone')
  if (binding === undefined) {
    if (versions.every(row => formOf(sealed, row, [now]) === 'candidate')) return { state: 'none' }
    return unconfirmed(newest.version, 'it was never confirmed for a target')
  }
  const inForce = binding.version
  for (const row of versions.filter(({ version }) => version > inForce)) {
    const why = whyNoCandidate(sealed, row, binding, now)
    if (why !== undefined) return unconfirmed(row.version, why)
  }
  const row = versions.find(({ version }) => version === inForce)
  if (row === undefined) {
    const others = newest.version < inForce ? ', and an older one stands in its place' : ''
    return unconfirmed(newest.version, `version ${inForce} is gone from the store${others}`)
  }
  if (staysWithin(now, binding.identity)) return { state: 'in-force', row, binding }
  const parts = changedParts(now, binding.identity)
  return unconfirmed(inForce, `the target's identity changed since it was confirmed (${parts})`)
}

/** Of a version above the one in force: undefined for a candidate, as it should be. */
function whyNoCandidate(
  sealed: SealedVersions,
  row: StoredVersion,
  { version: inForce, identity }: Binding,
  now: TargetIdentity,
): string | undefined {
  const { version, bound } = row
  if (bound === null) {
    return `version ${version} was stored by an earlier version of the gateway, or put there by hand (${inForce} was the last)`
  }
  switch (formOf(sealed, row, [identity, now])) {
    case 'candidate':
      return undefined
    case 'in-force':
      return `version ${version} was in force already, and the store says that it is ${inForce}: somebody put an older state back`
    case undefined:
      return `version ${version} is damaged or was put there by hand (VAULT_DAMAGED; ${inForce} was the last)`
  }
}

function formOf(sealed: SealedVersions, row: StoredVersion, identities: readonly TargetIdentity[]) {
  const opened = sealed.tryOpen(row, identities)
  opened?.bytes.fill(0)
  return opened?.form
}
