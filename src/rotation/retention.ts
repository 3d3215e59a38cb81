/** Deletes versions that nobody needs any more: beyond what the account's policy keeps, or else the configuration. */

import type { AuditLog } from '../audit/audit-log.ts'
import type { Database } from '../database/database.ts'
import type { Log } from '../shared/log.ts'
import type { Metrics } from '../shared/metrics.ts'
import { type AccountAddress, formatAccountAddress } from '../shared/names.ts'
import type { Targets } from '../targets/targets.ts'
import type { Vault } from '../vault/vault.ts'
import type { AccountStates } from './account-states.ts'
import { KEPT_OF_DUAL } from './dual.ts'
import type { Journal } from './journal.ts'
import { policyOf, type RotationPolicies } from './policies/policies.ts'
import type { RetentionTime } from './retention-time.ts'

/** Both let a version go: so many are kept, and each so long after it was replaced. */
export interface Kept {
  readonly keep: number
  readonly forMs: number
  /** It has two logins by turns, of which each keeps what it has. */
  readonly dual?: boolean
}

interface Parts {
  readonly database: Database
  readonly vault: Pick<Vault, 'retire' | 'history'>
  readonly targets: Targets
  readonly policies: Pick<RotationPolicies, 'list'>
  readonly journal: Pick<Journal, 'list'>
  readonly states: Pick<AccountStates, 'get'>
  readonly time: Pick<RetentionTime, 'latest'>
  readonly audit: AuditLog
  readonly metrics: Pick<Metrics, 'versionsDeleted'>
  readonly otherwise: Kept
  readonly log: Log
}

export type VersionRetention = ReturnType<typeof createVersionRetention>

/** That what is in force logs in says nothing of the other login; what so many later ones did not change, none does. */
const CANDIDATES_OF_DUAL = 20

/** What was sent more than once may arrive so late once more, when another one is in force already. */
const LATE_MS = 86_400_000
/** Of the newest rotations of an account. */
const LOOKED_AT = 50

/** Accounts that are looked at before others have their turn. */
const PAGE = 500

export function createVersionRetention(parts: Parts) {
  const { database, vault, targets, policies, journal, states, time, audit, metrics, otherwise, log } = parts

  /** Throws what the store throws. */
  async function retire(address: AccountAddress, { keep, forMs, dual = false }: Kept): Promise<number[]> {
    const { account, target } = address
    const now = await time.latest()
    // What is open, and what is tried again since it may have reached the target late.
    const rotations = await journal.list({ account, target, limit: LOOKED_AT })
    const [last] = rotations
    const never = last === undefined || last.state === 'finished' ? [] : [last.former, last.candidate]
    for (const { candidate, changes, updatedAt } of rotations)
      if (changes > 1 && now - updatedAt < LATE_MS) never.push(candidate)
    if (dual) never.push(...(await lastInForce(address)))
    const { state } = (await states.get(address)) ?? {}
    // Whatever is kept may be what logs in.
    if (state === 'unknown') return []
    const keepCandidates = dual ? Math.max(keep, CANDIDATES_OF_DUAL) : keep
    const retention = { keep, olderThanMs: forMs, never, keepCandidates, now }
    const gone = await vault.retire(address, retention, write =>
      audit.change(write, versions => ({
        ...{ kind: 'credential.versions-deleted', actor: 'gateway' },
        data: { account, target, versions, keep, forMs },
      })),
    )
    metrics.versionsDeleted.inc(gone.length)
    return gone
  }

  /** Enough that both logins' are among them, also where one was typed or restored out of turn. */
  async function lastInForce(address: AccountAddress): Promise<number[]> {
    const versions = (await vault.history(address)).filter(({ inForceAt }) => inForceAt !== undefined)
    return versions.slice(0, KEPT_OF_DUAL).map(({ version }) => version)
  }

  async function keptOf({ account: name, target: of }: AccountAddress): Promise<Kept> {
    const target = await targets.get(of)
    const account = target?.accounts.find(each => each.name === name)
    if (target === undefined || account === undefined) return otherwise
    const policy = policyOf(await policies.list(), target, account)
    const kept = policy === undefined ? otherwise : { keep: policy.retention.keep, forMs: policy.retention.for ?? 0 }
    return { ...kept, dual: account.logins !== undefined }
  }

  return {
    /** After a change of this account. Never rejects: it is done in rounds as well. */
    async apply(address: AccountAddress): Promise<void> {
      try {
        await retire(address, await keptOf(address))
      } catch (error) {
        log.warn({ err: error, account: formatAccountAddress(address) }, 'old versions could not be deleted; later')
      }
    },

    /** Of all accounts: what was too young when something changed is old by now. */
    async round(signal: AbortSignal): Promise<void> {
      let after: AccountAddress = { target: '', account: '' }
      for (;;) {
        const page = await accountsAfter(after)
        for (const address of page) {
          if (signal.aborted) return
          const kept = await keptOf(address)
          if (address.versions > kept.keep) await retire({ account: address.account, target: address.target }, kept)
        }
        const last = page.at(-1)
        if (last === undefined) return
        after = last
      }
    },
  }

  /** With more than one version. */
  async function accountsAfter({ target, account }: AccountAddress) {
    const rows = await database
      .selectFrom('credentials')
      .select(({ fn }) => ['account', 'target', fn.countAll().as('versions')])
      .where(({ eb, refTuple, tuple }) => eb(refTuple('account', 'target'), '>', tuple(account, target)))
      .groupBy(['account', 'target'])
      .having(({ eb, fn }) => eb(fn.countAll(), '>', 1))
      .orderBy('account')
      .orderBy('target')
      .limit(PAGE)
      .execute()
    return rows.map(({ account, target, versions }) => ({ account, target, versions: Number(versions) }))
  }
}
