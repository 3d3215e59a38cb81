/** Opens the versions of an account's credential for the gateway's own logins, and tries them at the target. What is opened is audited first. */

import type { Audit } from '../audit/event.ts'
import type { Connector, Verification } from '../session/connector.ts'
import type { Dialer } from '../session/dialer.ts'
import { GatewayError } from '../shared/errors.ts'
import { type AccountAddress, formatAccountAddress } from '../shared/names.ts'
import { type Account, accountFor, type Target } from '../targets/target.ts'
import type { Targets } from '../targets/targets.ts'
import { type CredentialMaterial, eraseMaterial, secretsOf } from '../vault/lease.ts'
import type { Vault } from '../vault/vault.ts'
import type { OpenedSecrets } from './opened-secrets.ts'
import { withinLimit } from './time-limit.ts'
import { safeWords, wordsOfThrown } from './words.ts'

/** An account as its target's entry has it now. */
export interface Entry {
  readonly target: Target
  readonly account: Account
}

/** `damaged`: the version is gone, or does not open. `withheld`: nothing can be said of it, as the entry or the vault is now. */
export type Tried = Verification | { readonly result: 'damaged' | 'withheld'; readonly words: string }

/** For what it is opened, as the audit log says it. */
export interface Purpose {
  readonly by: string
  readonly for: 'verify' | 'rotate' | 'reconcile' | 'restore' | 'finish' | 'dependents' | 'attest'
  readonly rotation?: string
}

export class Opened {
  readonly material: CredentialMaterial

  constructor(material: CredentialMaterial) {
    this.material = material
  }

  [Symbol.dispose](): void {
    eraseMaterial(this.material)
  }
}

interface Parts {
  readonly vault: Pick<Vault, 'openVersion'>
  readonly targets: Pick<Targets, 'get'>
  readonly audit: Audit
  /** Who dials is who asked for it. */
  readonly dialTarget: (target: Target, actor: string) => Dialer
  /** How long a login may take. */
  readonly verifyWithinMs: number
}

export interface Logins {
  open(
    address: AccountAddress,
    version: number,
    target: Target,
    purpose: Purpose,
  ): Promise<Opened | Extract<Tried, { result: 'damaged' | 'withheld' }>>
  /** Undefined where the target's entry, or the account in it, is gone. */
  entryOf(address: AccountAddress): Promise<Entry | undefined>
  dial(entry: Entry, purpose: Purpose): () => Dialer
  /** Logs in with a version, and out. */
  verify(
    connector: Pick<Connector, 'verify'>,
    entry: Entry,
    version: number,
    purpose: Purpose,
    signal: AbortSignal,
  ): Promise<Tried>
  /** The same, for one act: what it opens is kept in `opened` until that is disposed of, and the words of its logins hold none of it. */
  during(opened: OpenedSecrets): Logins
}

/** `act`: keeps what is opened. */
export function createLogins(parts: Parts, act?: OpenedSecrets): Logins {
  const { vault, targets, audit, dialTarget, verifyWithinMs } = parts

  async function open(
    address: AccountAddress,
    version: number,
    target: Target,
    { by, for: what, rotation }: Purpose,
  ): Promise<Opened | Extract<Tried, { result: 'damaged' | 'withheld' }>> {
    const data = { account: formatAccountAddress(address), version, for: what, ...(rotation && { rotation }) }
    await audit.append({ kind: 'credential.used-for-rotation', actor: by, data })
    try {
      const opened = new Opened(await vault.openVersion(address, version, target))
      act?.add(address, version, opened.material)
      return opened
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code === 'DATABASE_UNAVAILABLE') throw error
      const damaged = error.code === 'VAULT_DAMAGED' || error.code === 'NOT_FOUND'
      return { result: damaged ? 'damaged' : 'withheld', words: wordsOfThrown(error) }
    }
  }

  return {
    open,
    during: opened => createLogins(parts, opened),

    async entryOf({ account: name, target: of }: AccountAddress): Promise<Entry | undefined> {
      const target = await targets.get(of)
      const account = target?.accounts.find(each => each.name === name)
      return target === undefined || account === undefined ? undefined : { target, account }
    },

    dial:
      ({ target }: Entry, { by }: Purpose) =>
      () =>
        dialTarget(target, by),

    async verify(connector, { target, account }, version, purpose, signal) {
      const opened = await open({ account: account.name, target: target.name }, version, target, purpose)
      if (!(opened instanceof Opened)) return opened
      using _ = opened
      const { material } = opened
      const known = act?.all ?? secretsOf(material)
      const tried = await withinLimit<Verification>(
        verifyWithinMs,
        signal,
        limit =>
          connector.verify(
            {
              ...{ target, account: accountFor(account, material), material, opened: known },
              dialer: dialTarget(target, purpose.by),
            },
            limit,
          ),
        {
          late: { result: 'unreachable', words: 'the login was not over in time' },
          broken: error => ({ result: 'unreachable', words: wordsOfThrown(error) }),
        },
      )
      return tried.result === 'works' ? tried : { ...tried, words: safeWords(tried.words, known) }
    },
  }
}
