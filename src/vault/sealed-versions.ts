/**
 * The sealed forms of a version. Whether it was ever in force is part of what it is sealed for: a version above the one in force that opens as
 * one that was shows that somebody put an older state back.
 */

import { GatewayError } from '../shared/errors.ts'
import { type AccountAddress, formatAccountAddress } from '../shared/names.ts'
import { fingerprintOf, identitySchema, staysWithin, type TargetIdentity } from '../targets/identity.ts'
import type { Sealing } from './binding.ts'
import type { StoredVersion } from './version-rows.ts'

/** `in-force`: also one that was. */
export type Form = 'in-force' | 'candidate'

/** The bytes are the caller's to erase. */
export interface OpenedVersion {
  readonly form: Form
  readonly identity: TargetIdentity
  readonly bytes: Buffer
}

type Numbered = AccountAddress & { readonly version: number }

export function createSealedVersions({ seal, open }: Sealing) {
  return {
    seal(address: Numbered, form: Form, identity: TargetIdentity, bytes: Buffer): { bound: string; identity: string } {
      return { bound: seal(purposeOf(address, form, identity), bytes), identity: JSON.stringify(identity) }
    },

    /** For one form and one identity. Throws `VAULT_DAMAGED` or `VAULT_KEY_MISMATCH`. */
    open(row: StoredVersion, form: Form, identity: TargetIdentity): Buffer {
      return open(purposeOf(row, form, identity), row.bound ?? '')
    },

    /**
     * For the identity that its row names, or for one of those that are given; undefined when it opens for none: it is damaged, was moved
     * here, or is of another target.
     */
    tryOpen(row: StoredVersion, identities: readonly (TargetIdentity | undefined)[]): OpenedVersion | undefined {
      const { bound } = row
      if (bound === null) return undefined
      const known = new Map<string, TargetIdentity>()
      for (const identity of [namedIn(row), ...identities]) {
        if (identity !== undefined) known.set(fingerprintOf(identity), identity)
      }
      for (const identity of known.values()) {
        for (const form of ['in-force', 'candidate'] as const) {
          const bytes = ifWhole(() => open(purposeOf(row, form, identity), bound))
          if (bytes !== undefined) return { form, identity, bytes }
        }
      }
      return undefined
    },

    /** What an earlier gateway sealed, for no target. */
    openUnbound(row: StoredVersion): Buffer {
      return open(`credential ${formatAccountAddress(row)} v${row.version}`, row.unbound)
    },

    sealPublic(address: Numbered, publicKey: Buffer): string {
      return seal(publicPurpose(address), publicKey)
    },

    /** Throws `VAULT_DAMAGED`. */
    openPublic(address: Numbered, sealed: string): Buffer {
      return open(publicPurpose(address), sealed)
    },
  }
}

export type SealedVersions = ReturnType<typeof createSealedVersions>

/** The stricter of two identities; undefined where neither lies within the other. */
export function stricterOf(a: TargetIdentity, b: TargetIdentity): TargetIdentity | undefined {
  if (staysWithin(a, b)) return a
  return staysWithin(b, a) ? b : undefined
}

function purposeOf(address: Numbered, form: Form, identity: TargetIdentity): string {
  const noun = form === 'in-force' ? 'credential' : 'candidate'
  return `${noun} ${formatAccountAddress(address)} v${address.version} for ${fingerprintOf(identity)}`
}

function publicPurpose(address: Numbered): string {
  return `public half of ${formatAccountAddress(address)} v${address.version}`
}

function namedIn({ identity }: StoredVersion): TargetIdentity | undefined {
  if (identity === null) return undefined
  try {
    return identitySchema.parse(JSON.parse(identity))
  } catch {
    // Nobody vouches for this column: one that says nothing is as one that is not there.
    return undefined
  }
}

function ifWhole(open: () => Buffer): Buffer | undefined {
  try {
    return open()
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'VAULT_DAMAGED') return undefined
    throw error
  }
}
