/** A lease: the loan of one credential to one session. Only the vault mints one; only `connect` may look inside. */

import type { Grant } from '../policy/grant.ts'
import type { Secret } from '../shared/secret.ts'

export type CredentialMaterial =
  | { readonly kind: 'password'; readonly password: Secret }
  /** A private key in OpenSSH or PEM form, and its passphrase where it has one. */
  | { readonly kind: 'private-key'; readonly privateKey: Secret; readonly passphrase?: Secret }

class LeaseProof {
  readonly #material: CredentialMaterial
  readonly id: string
  readonly grant: Grant
  readonly version: number
  #ended = false

  constructor(id: string, grant: Grant, version: number, material: CredentialMaterial) {
    this.id = id
    this.grant = grant
    this.version = version
    this.#material = material
  }

  /** The credential, for the upstream login. Throws after the lease has ended. */
  get material(): CredentialMaterial {
    if (this.#ended) throw new Error('the lease has ended')
    return this.#material
  }

  /** Called by the vault: from here on the credential cannot be read through this lease. */
  end(): void {
    this.#ended = true
  }
}

/** The type alone is public: a value of it comes from `vault.lease(grant)` and from nowhere else. */
export type Lease = LeaseProof

/** For `vault/vault.ts` only (the linter's layers keep others away from making one). */
export function mintLease(id: string, grant: Grant, version: number, material: CredentialMaterial): Lease {
  return new LeaseProof(id, grant, version, material)
}
