/** The vault: keeps credentials sealed, lends them by lease, and seals whatever else must not lie open in the store. */

import type { Change } from '../database/change.ts'
import type { Database } from '../database/database.ts'
import type { LeaseTable } from '../database/schema.ts'
import type { Grant } from '../policy/grant.ts'
import type { Clock } from '../shared/clock.ts'
import type { Signer } from '../shared/cryptography/signer.ts'
import { GatewayError, type Refusal, refuse } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import { type AccountAddress, formatAccountAddress } from '../shared/names.ts'
import type { OwnKey } from '../shared/own-key.ts'
import { identityOf } from '../targets/identity.ts'
import type { Target } from '../targets/target.ts'
import type { CredentialStanding, TargetEntries } from './account-versions.ts'
import { type Cause, createCredentials, type InForce, type ListedCredential, type Origin } from './credentials.ts'
import { openEnvelope, sealEnvelope } from './envelope.ts'
import { createHostAuthority, type HostAuthority } from './host-authority.ts'
import { checkKey, mayHoldEarlier, noteTakenOver } from './key-check.ts'
import type { KeyEncryptionKey } from './key-encryption-key.ts'
import { type CredentialMaterial, type LeaseHolder, mintLease, type PromisedLease } from './lease.ts'
import { createLeaseRows, type LentTo, type Loan, type StoredLease } from './lease-rows.ts'
import { once } from './once.ts'
import { createOneTimeCodes } from './one-time-codes.ts'
import { createSigner, generateSigningKey, readOrMakeOwnKey } from './own-keys.ts'
import { createSealedVersions } from './sealed-versions.ts'
import { createVersionFacts } from './version-facts.ts'
import {
  type AlteredVersion,
  type CredentialVersion,
  createVersionHistory,
  type Retention,
  type VerificationResult,
} from './version-history.ts'
import type { Page } from './version-rows.ts'

export interface Vault {
  /** Names the key encryption key: 16 hex digits. */
  readonly keyId: string
  /**
   * Stores a new version and puts it in force, good for the target as it is now, and gives its number; earlier ones stay. Throws
   * `BAD_REQUEST` when it cannot be a credential, `NOT_FOUND` where there is no such target.
   */
  setCredential(
    address: AccountAddress,
    material: CredentialMaterial,
    by: string,
    change?: Change,
    cause?: Cause,
  ): Promise<number>
  /**
   * Stores a new version that is not in force and never lent: a candidate, which `makeCurrent` puts in force. Throws as `setCredential` does, and
   * `CONFLICT` where the account must be confirmed first.
   */
  prepareVersion(
    address: AccountAddress,
    material: CredentialMaterial,
    origin: Origin,
    change?: Change,
  ): Promise<number>
  /**
   * Puts a candidate in force in the place of the version `replacing` (0: of none), for this change and no other. Throws `CONFLICT` where another
   * version is in force by now, where it is no candidate, and where the target is not any more what it was prepared for.
   */
  makeCurrent(
    address: AccountAddress,
    version: number,
    expected: { readonly replacing: number },
    change?: Change,
  ): Promise<void>
  /**
   * Opens any version, to be sent to the target with this entry; the caller audits that before, and erases it. Throws `NOT_FOUND`,
   * `CONFLICT` where it was confirmed for another target or must be confirmed first, `VAULT_DAMAGED`.
   */
  openVersion(address: AccountAddress, version: number, entry: Target): Promise<CredentialMaterial>
  /** What a login with this version showed. Throws `NOT_FOUND`. */
  noteVerified(
    address: AccountAddress,
    version: number,
    verification: { readonly at: number; readonly result: VerificationResult },
    change?: Change,
  ): Promise<void>
  /** A pinned version is never retired. Throws `NOT_FOUND`. */
  pinVersion(address: AccountAddress, version: number, pinned: boolean, change?: Change): Promise<void>
  /** Deletes versions that count and age both let go, and gives which. Never the one in force, candidates, pinned ones. */
  retire(address: AccountAddress, retention: Retention, change?: Change): Promise<number[]>
  /** Puts in force what an earlier version holds, as a new version. Throws `NOT_FOUND`, and `CONFLICT` where it is not for the target as it is now. */
  restoreCredential(address: AccountAddress, version: number, by: string, change?: Change): Promise<number>
  /** The versions in force of a page of accounts, without secrets, and whether they wait to be confirmed. */
  listCredentials(page?: Page): Promise<ListedCredential[]>
  /** All versions of one account, newest first, without secrets. */
  history(address: AccountAddress): Promise<CredentialVersion[]>
  /** Versions of which the store says something else than what was sealed of them. */
  alteredVersions(): AsyncGenerator<AlteredVersion, void>
  /** How the version in force stands to its target as that is now; undefined where there is none. */
  standing(address: AccountAddress): Promise<CredentialStanding | undefined>
  /** The number of the version in force, whether it may be lent or not; undefined where nothing says which it is. */
  versionInForce(address: AccountAddress): Promise<number | undefined>
  /**
   * Makes a credential good for the target as it is now, whose identity has this fingerprint. Throws `NOT_FOUND`, `CONFLICT` where the
   * target is another by now, `VAULT_DAMAGED`.
   */
  confirmCredential(address: AccountAddress, fingerprint: string, change?: Change): Promise<void>
  /** Which credentials would have to be confirmed if these were the targets. */
  waitingFor(targets: readonly Target[]): Promise<AccountAddress[]>
  /** The credential for what an administrator asks of a target: for an entry within what was confirmed. Throws `CREDENTIAL_UNAVAILABLE`. */
  openForProof(address: AccountAddress, entry: Target): Promise<CredentialMaterial>
  /** After a change of these targets: which of their credentials must be confirmed; those that only got stricter are bound to that. */
  followTargets(names: readonly string[]): Promise<AccountAddress[]>
  /** Binds what an earlier version stored to the targets of now; names the accounts. */
  bindEarlier(): Promise<string[]>
  /** Whether the store may hold what earlier versions sealed: never again after `noteTakenOver`, whatever is taken away. Throws `VAULT_DAMAGED`. */
  mayHoldEarlier(): Promise<boolean>
  noteTakenOver(): Promise<void>
  /**
   * Work that a store sees once in its life; names what it did, now or then. Undefined where the mark of it is gone although it was done
   * `before`. Throws `VAULT_DAMAGED`.
   */
  once(mark: string, before: boolean, work: () => Promise<string[]>): Promise<string[] | undefined>
  /**
   * Promises the version in force to the grant's session, of its account or of a hop's on the way there: still sealed, to be opened once
   * `startLease` has noted it. The refusal is `CREDENTIAL_UNAVAILABLE`.
   */
  lease(grant: Grant, lent?: LentAccount): Promise<PromisedLease | Refusal>
  /** Notes the lease in the store, or in a transaction on it. */
  startLease(lease: PromisedLease, on?: Database): Promise<void>
  /** Notes that a person is shown it, within a check-out. */
  startLoan(loan: Loan, on: Database): Promise<void>
  /** Ends the leases of a session or a check-out in the store, or in a transaction on it, and gives the ids of those that were open. */
  endLeases(holder: LeaseHolder, on?: Database): Promise<string[]>
  /** Leases that are open and began before this time. */
  openLeases(before: number): Promise<StoredLease[]>
  /** The sessions that this account's credential is lent to now, also on the way to another target. */
  sessionsOn(address: AccountAddress, on: Database): Promise<LentTo[]>
  /** Leases of sessions in the order of their ids, from the one after `id` on. */
  sessionLeasesAfter(id: string, limit: number, on: Database): Promise<LeaseTable[]>
  /** Seals bytes for one purpose, for example `totp alice`; only the same purpose opens them. */
  sealBytes(purpose: string, bytes: Uint8Array): string
  /** Throws `VAULT_DAMAGED` or `VAULT_KEY_MISMATCH`. */
  openBytes(purpose: string, sealed: string): Buffer
  /** The key that signs recordings and audit events: one for all gateways of the store. */
  signingKey(): Promise<Signer>
  /** Signs the certificates by which targets are known through this gateway. */
  readonly hostAuthority: HostAuthority
  /** A key of the gateway's own, made once by `generate`: all gateways of the store get the same. */
  ownKey(name: string, generate: () => Promise<OwnKey>): Promise<OwnKey>
}

/** An account as it is in its target's entry. */
type LentAccount = Pick<Grant, 'account' | 'target'>

interface Parts {
  readonly database: Database
  readonly key: KeyEncryptionKey
  readonly clock: Clock
  /** Of what is told of versions: the same for all gateways of the store. Not given: `clock`. */
  readonly storeClock?: Clock
  readonly targets: TargetEntries
}

/** Throws `VAULT_KEY_MISMATCH`, and has then written nothing. */
export async function createVault({ database, key, clock, storeClock = clock, targets }: Parts): Promise<Vault> {
  await checkKey(database, clock, key)
  const seal = (purpose: string, bytes: Uint8Array) => sealEnvelope(key, purpose, bytes)
  const open = (purpose: string, sealed: string) => openEnvelope(key, purpose, sealed)
  const credentials = createCredentials({ database, clock: storeClock, targets, seal, open })
  const history = createVersionHistory({
    ...{ database, clock: storeClock, inForce: credentials.inForce },
    sealed: createSealedVersions({ seal, open }),
    facts: createVersionFacts({ seal, open }),
  })
  const codes = createOneTimeCodes({ database, clock })
  /** Ready to be used at its target. */
  const usable = (address: AccountAddress, material: CredentialMaterial): CredentialMaterial => {
    const { totp } = material
    return totp === undefined ? material : { ...material, nextCode: signal => codes.next(address, totp, signal) }
  }
  const leases = createLeaseRows({ database, clock })
  const ownKey: Vault['ownKey'] = (name, generate) => readOrMakeOwnKey({ database, clock, seal, open }, name, generate)

  return {
    keyId: key.id,
    setCredential: (address, material, by, change, cause = 'typed') =>
      credentials.add(address, material, { by, cause }, change),
    prepareVersion: credentials.prepare,
    makeCurrent: credentials.makeCurrent,
    openVersion: async (address, version, entry) =>
      usable(address, await credentials.openVersion(address, version, entry)),
    restoreCredential: credentials.restore,
    listCredentials: (page = { limit: 1000 }) => credentials.list(page),
    history: history.history,
    alteredVersions: history.altered,
    noteVerified: history.noteVerified,
    pinVersion: history.pin,
    retire: history.retire,
    standing: credentials.standing,
    versionInForce: credentials.inForce,
    confirmCredential: credentials.confirm,
    waitingFor: credentials.waitingFor,
    followTargets: credentials.followTargets,
    async openForProof(address, entry) {
      const found = await credentials.findInForce(address, identityOf(entry, address.account))
      if (found !== undefined && 'open' in found) return usable(address, found.open())
      const why = found === undefined ? 'the vault holds none' : found.unconfirmed
      const message = `The vault lends no credential of ${formatAccountAddress(address)}: ${why}.`
      throw new GatewayError('CREDENTIAL_UNAVAILABLE', message)
    },
    bindEarlier: credentials.bindEarlier,
    mayHoldEarlier: () => mayHoldEarlier(database, key),
    noteTakenOver: () => noteTakenOver(database, key),
    once: (mark, before, work) => once({ database, clock, seal, open }, mark, before, work),
    sealBytes: seal,
    openBytes: open,
    ownKey,
    hostAuthority: createHostAuthority({ database, clock, seal, open }),
    signingKey: async () => createSigner(await ownKey('signing', generateSigningKey)),

    async lease(grant, lent = grant) {
      const now = clock.now()
      if (now >= grant.endsAt) return unavailable('the grant has ended')
      const address = { account: lent.account.name, target: lent.target.name }
      let found: InForce
      try {
        found = await credentials.findInForce(address, identityOf(lent.target, address.account))
      } catch (error) {
        return broken(error)
      }
      if (found === undefined) return unavailable('the vault holds no credential for the account')
      if ('unconfirmed' in found) return unconfirmed(address, found.unconfirmed)
      const { version, open } = found
      const openUsable = () => {
        try {
          return usable(address, open())
        } catch (error) {
          return broken(error)
        }
      }
      return mintLease(newId('lea', now), grant, version, openUsable, address)
    },

    startLease: leases.start,
    startLoan: leases.startLoan,
    endLeases: leases.end,
    openLeases: leases.open,
    sessionsOn: leases.openOf,
    sessionLeasesAfter: leases.sessionsAfter,
  }
}

function unconfirmed(address: AccountAddress, why: string): Refusal {
  const message =
    'The credential of this account waits until somebody confirms that its target is still the right one. Ask the administrator of the gateway.'
  const detail = `the credential is not confirmed: ${why}; sallyport credential confirm ${formatAccountAddress(address)}`
  return refuse('CREDENTIAL_UNAVAILABLE', message, detail)
}

function unavailable(detail: string): Refusal {
  const message = 'The vault has no credential to lend for this account. Ask the administrator of the gateway.'
  return refuse('CREDENTIAL_UNAVAILABLE', message, detail)
}

function broken(error: unknown): Refusal {
  if (error instanceof GatewayError) return unavailable(`${error.code}: ${error.message}`)
  throw error
}
