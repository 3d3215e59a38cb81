/**
 * A lease: the loan of one credential, to one session or one check-out. Only the vault mints one; only `connect` may look inside. It is opened
 * from a promised one, which is stored and audited before.
 */

import type { Grant } from '../policy/grant.ts'
import { isRefusal, type Refusal } from '../shared/errors.ts'
import type { AccountAddress } from '../shared/names.ts'
import type { TotpSeed } from '../shared/one-time-code.ts'
import type { Secret } from '../shared/secret.ts'

/** What a target may ask for beside the password, or the key. */
interface OneTimeCodes {
  /** From what they are made: stored with it. */
  readonly totp?: TotpSeed
  /** Where they are used: the next one that was sent to nobody, once it is valid. Throws `CREDENTIAL_UNAVAILABLE`. */
  readonly nextCode?: (signal: AbortSignal) => Promise<Secret>
}

/** Of an account that has two names at its target by turns. */
interface ForOneLogin {
  /** The one that it is for. */
  readonly login?: string
}

export interface PasswordMaterial extends OneTimeCodes, ForOneLogin {
  readonly kind: 'password'
  readonly password: Secret
}

export interface PrivateKeyMaterial extends OneTimeCodes, ForOneLogin {
  readonly kind: 'private-key'
  /** Beside its public half in PKCS #8 (DER); without it the text of a file, as people have it. */
  readonly privateKey: Secret
  /** RFC 4253 §6.6. Missing in what comes in, and in what an earlier version stored. */
  readonly publicKey?: Buffer
  /** Of the file, where it has one. */
  readonly passphrase?: Secret
}

export type CredentialMaterial = PasswordMaterial | PrivateKeyMaterial

/** Who a credential is lent to: a session, or a person who holds it themselves for a time. */
export type LeaseHolder =
  | { readonly kind: 'session'; readonly session: string }
  | { readonly kind: 'check-out'; readonly checkOut: string }

export function ofSession(session: string): LeaseHolder {
  return { kind: 'session', session }
}

class LeaseProof {
  readonly #material: CredentialMaterial
  readonly id: string
  readonly holder: LeaseHolder
  readonly grant: Grant
  readonly version: number
  /** Whose credential it is: the grant's account, or that of a hop on the way there. */
  readonly address: AccountAddress
  #erased = false

  constructor(id: string, grant: Grant, version: number, material: CredentialMaterial, address: AccountAddress) {
    this.id = id
    this.holder = ofSession(grant.session)
    this.address = address
    this.grant = grant
    this.version = version
    this.#material = material
  }

  /** The credential, for the upstream login. Throws after it was erased. */
  get material(): CredentialMaterial {
    if (this.#erased) throw new Error('the lease has ended')
    return this.#material
  }

  /** Once the login at the target is over, and at the lease's end: overwrites the credential in memory. Nobody can read it after that. */
  erase(): void {
    this.#erased = true
    eraseMaterial(this.#material)
  }
}

class LeasePromise {
  readonly #open: () => Lease | Refusal
  readonly id: string
  readonly holder: LeaseHolder
  readonly grant: Grant
  readonly version: number
  readonly address: AccountAddress

  constructor(
    id: string,
    grant: Grant,
    version: number,
    open: () => CredentialMaterial | Refusal,
    address: AccountAddress,
  ) {
    this.id = id
    this.holder = ofSession(grant.session)
    this.grant = grant
    this.version = version
    this.address = address
    this.#open = () => {
      const material = open()
      return isRefusal(material) ? material : new LeaseProof(id, grant, version, material, address)
    }
  }

  /** This version and no other, once the lease is stored and audited. */
  open(): Lease | Refusal {
    return this.#open()
  }
}

/** Overwrites it in memory. */
export function eraseMaterial(material: CredentialMaterial): void {
  for (const secret of secretsOf(material)) secret.erase()
}

export function secretsOf(material: CredentialMaterial): Secret[] {
  const seed = material.totp === undefined ? [] : [material.totp.secret]
  if (material.kind === 'password') return [material.password, ...seed]
  return [material.privateKey, ...(material.passphrase === undefined ? [] : [material.passphrase]), ...seed]
}

/** The types alone are public: a lease comes from a promised one, and that from `vault.lease(grant)` and from nowhere else. */
export type Lease = LeaseProof
export type PromisedLease = LeasePromise

/** For `vault/vault.ts` only (the linter's layers keep others away from making one). */
export function mintLease(...of: ConstructorParameters<typeof LeasePromise>): PromisedLease {
  return new LeasePromise(...of)
}

/** For a worker (`gateway/workers/`): a lease as the process that holds the vault's key has handed it over. */
export function receivedLease(
  id: string,
  grant: Grant,
  version: number,
  material: CredentialMaterial,
  address: AccountAddress = { account: grant.account.name, target: grant.target.name },
): Lease {
  return new LeaseProof(id, grant, version, material, address)
}
