/**
 * Puts an earlier version in force again, once a login has shown that it works; or looks for one that does. Candidates that were given up are
 * versions like any other here: the target may have taken one late.
 */

import type { AuditLog } from '../../audit/audit-log.ts'
import type { Change } from '../../database/change.ts'
import type { Database } from '../../database/database.ts'
import { GatewayError } from '../../shared/errors.ts'
import { type AccountAddress, formatAccountAddress } from '../../shared/names.ts'
import type { Vault } from '../../vault/vault.ts'
import type { CredentialVersion } from '../../vault/version-history.ts'
import type { Journal } from '../journal.ts'
import type { Entry } from '../logins.ts'
import { OpenedSecrets } from '../opened-secrets.ts'
import { newestVersion } from '../stored-version.ts'
import type { ProbeOutcome, RestoredVersion, TriedVersion } from './outcome.ts'
import { type TryParts, tryVersion } from './try-version.ts'

/** A target counts what it refuses, and may lock the account: so few are sent, and so slowly. */
export interface ProbeLimits {
  readonly tries: number
  readonly pauseMs: number
}

export interface RestoresParts extends TryParts {
  readonly audit: AuditLog
  readonly vault: TryParts['vault'] & Pick<Vault, 'history' | 'standing' | 'restoreCredential' | 'makeCurrent'>
  readonly journal: Pick<Journal, 'openOf'>
  readonly limits: ProbeLimits
  /** In the transaction that puts a version in force. */
  readonly inForce: (address: AccountAddress, by: string, on: Database) => Promise<void>
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>
  /** Ends what is going on: the gateway stops. */
  readonly closing: AbortSignal
  /** Told of what came of each: a `ProbeOutcome`'s result, or the code of an error. */
  readonly count: (result: string) => void
}

export interface Restores {
  /**
   * `unverified`: also where the target does not answer. Throws `NOT_FOUND`, `CONFLICT` (it is in force already, was stored for another target,
   * or a rotation is open), `VAULT_DAMAGED`, `TARGET_LOGIN_FAILED` where the target refuses it, `TARGET_UNREACHABLE`; nothing was changed then.
   */
  restore(
    address: AccountAddress,
    version: number,
    options: { readonly by: string; readonly unverified: boolean },
    signal: AbortSignal,
  ): Promise<RestoredVersion>
  /** Tries the versions, newest first, until one logs in, and puts that in force. `dryRun`: only says which. Throws as `restore` does. */
  probe(
    address: AccountAddress,
    options: { readonly by: string; readonly dryRun: boolean },
    signal: AbortSignal,
  ): Promise<ProbeOutcome>
}

/** What was refused so short a time ago comes last. */
const LATELY_MS = 15 * 60_000

export function createRestores(parts: RestoresParts): Restores {
  const { audit, clock, closing, count, inForce, journal, limits, logins, pause, states, vault } = parts
  const probing = new Set<string>()

  async function find(address: AccountAddress): Promise<{ entry: Entry; versions: CredentialVersion[] }> {
    const name = formatAccountAddress(address)
    const entry = await logins.entryOf(address)
    if (entry === undefined) throw new GatewayError('NOT_FOUND', `There is no account ${name}.`)
    const versions = await vault.history(address)
    if (versions.length === 0) throw new GatewayError('NOT_FOUND', `The vault holds no credential for ${name}.`)
    await refuseWhileOpen(address)
    return { entry, versions }
  }

  async function refuseWhileOpen(address: AccountAddress): Promise<void> {
    const open = await journal.openOf(address)
    if (open === undefined) return
    const text = `A rotation of ${formatAccountAddress(address)} is open (${open.id}): it finds out by itself which version lives.`
    throw new GatewayError('CONFLICT', text)
  }

  /** In one transaction with its audit event. */
  async function putInForce(
    address: AccountAddress,
    { version, current, candidate }: CredentialVersion,
    versions: readonly CredentialVersion[],
    { by, verified, words }: { by: string; verified: boolean; words: string },
  ): Promise<RestoredVersion> {
    await refuseWhileOpen(address)
    let restored: RestoredVersion | undefined
    const change: Change = write =>
      audit.change(
        async on => {
          const written = await write(on)
          if (written === false) return written
          await inForce(address, by, on)
          const now = candidate ? version : await newestVersion(on, address)
          restored = { result: 'restored', version: now, restored: version, verified }
          if (verified) {
            await vault.noteVerified(address, now, { at: clock.now(), result: 'works' }, noted => noted(on))
            await states.verified(on, address, 'works', '')
          }
          return written
        },
        () => {
          const { version: now } = restored!
          const data = { ...address, version: now, restored: version, verified, ...(words === '' ? {} : { words }) }
          return { kind: 'credential.restored', actor: by, data }
        },
      )
    if (candidate && !current) {
      const replacing = versions.find(each => each.current)?.version ?? 0
      await vault.makeCurrent(address, version, { replacing }, change)
    } else await vault.restoreCredential(address, version, by, change)
    return restored!
  }

  async function restore(
    address: AccountAddress,
    version: number,
    { by, unverified }: { by: string; unverified: boolean },
    signal: AbortSignal,
  ): Promise<RestoredVersion> {
    const name = formatAccountAddress(address)
    const { entry, versions } = await find(address)
    const wanted = versions.find(each => each.version === version)
    if (wanted === undefined) throw new GatewayError('NOT_FOUND', `The vault holds no version ${version} of ${name}.`)
    if (wanted.current && (await vault.standing(address))?.unconfirmed === undefined)
      throw new GatewayError('CONFLICT', `Version ${version} of ${name} is in force already.`)
    using opened = new OpenedSecrets()
    const act = { ...parts, logins: logins.during(opened) }
    const tried = await tryVersion(act, { entry, version, kind: wanted.kind, inForce: false, by }, signal)
    switch (tried.result) {
      case 'works':
        return putInForce(address, wanted, versions, { by, verified: true, words: '' })
      case 'refused':
        throw new GatewayError(
          'TARGET_LOGIN_FAILED',
          `The target refuses version ${version} of ${name} (${tried.words}); nothing was changed.`,
        )
      case 'unreachable':
        if (unverified) return putInForce(address, wanted, versions, { by, verified: false, words: tried.words })
        throw new GatewayError(
          'TARGET_UNREACHABLE',
          `Version ${version} of ${name} could not be verified (${tried.words}); nothing was changed. Where the target cannot be reached at all, --unverified restores it all the same.`,
        )
      case 'withheld':
        throw new GatewayError('CONFLICT', withoutCode(tried.words))
      case 'damaged':
        throw new GatewayError('VAULT_DAMAGED', withoutCode(tried.words))
    }
  }

  async function probe(
    address: AccountAddress,
    { by, dryRun }: { by: string; dryRun: boolean },
    signal: AbortSignal,
  ): Promise<ProbeOutcome> {
    const { entry, versions } = await find(address)
    const inForce = versions.find(({ current }) => current)?.version
    const order = inOrder(versions, clock.now())
    using opened = new OpenedSecrets()
    const act = { ...parts, logins: logins.during(opened) }
    const tried: TriedVersion[] = []
    const over = (result: ProbeOutcome['result'], lives?: number, version = inForce): ProbeOutcome => {
      const left = order.map(each => each.version).filter(each => !tried.some(one => one.version === each))
      return { result, lives, version, tried, untried: left }
    }
    let refusals = 0
    for (const each of order) {
      const { version, kind, current } = each
      const same = tried.find(
        one => one.result === 'refused' && contentOf(versions, one.version) === contentOf(versions, version),
      )
      if (same !== undefined) {
        tried.push({ version, result: 'refused', words: `it holds what version ${same.version} holds` })
        continue
      }
      if (refusals >= limits.tries) return over('stopped')
      if (refusals > 0) await pause(limits.pauseMs, signal)
      const one = await tryVersion(act, { entry, version, kind, inForce: current, by }, signal)
      tried.push(one)
      switch (one.result) {
        case 'works': {
          if (current) return over('in-force', version)
          if (dryRun) return over('found', version)
          const restored = await putInForce(address, each, versions, { by, verified: true, words: 'probed' })
          return over('restored', version, restored.version)
        }
        case 'unreachable':
          return over('unreachable')
        case 'refused':
          refusals++
          break
        case 'withheld':
        case 'damaged':
          break
      }
    }
    return over('none')
  }

  async function audited<T extends { readonly result: string }>(
    address: AccountAddress,
    by: string,
    work: () => Promise<T>,
    more: object,
  ): Promise<T> {
    try {
      const done = await work()
      count(done.result)
      return done
    } catch (error) {
      const failed = error instanceof GatewayError ? error.code : 'INTERNAL'
      count(failed)
      const data = { ...address, ...more, failed }
      if (failed !== 'AUDIT_UNAVAILABLE') await audit.append({ kind: 'credential.restored', actor: by, data })
      throw error
    }
  }

  return {
    restore: (address, version, options, signal) =>
      audited(address, options.by, () => restore(address, version, options, AbortSignal.any([signal, closing])), {
        restored: version,
      }),

    async probe(address, options, signal) {
      const name = formatAccountAddress(address)
      if (probing.has(name)) throw new GatewayError('CONFLICT', `The versions of ${name} are being tried already.`)
      probing.add(name)
      try {
        return await audited(address, options.by, () => probe(address, options, AbortSignal.any([signal, closing])), {
          probe: true,
        })
      } finally {
        probing.delete(name)
      }
    },
  }
}

/** Newest first; what was refused just now last. */
function inOrder(versions: readonly CredentialVersion[], now: number): CredentialVersion[] {
  const refused = ({ verified }: CredentialVersion) =>
    verified?.result === 'refused' && Math.abs(now - verified.at) < LATELY_MS
  return [...versions.filter(each => !refused(each)), ...versions.filter(refused)]
}

/** The version that first held what this one holds. */
function contentOf(versions: readonly CredentialVersion[], version: number): number {
  const from = versions.find(each => each.version === version)?.restoredFrom
  return from === undefined || from >= version ? version : contentOf(versions, from)
}

/** `CONFLICT: Version 2 …`, as the journal keeps it. */
function withoutCode(words: string): string {
  return words.replace(/^[A-Z_]+: /, '')
}
