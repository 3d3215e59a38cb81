/** What is known of the versions of a credential beside their secrets: when and why they came, what was seen of them, and how long they stay. */

import { changeOf } from '../database/change.ts'
import type { Database } from '../database/database.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import { type AccountAddress, formatAccountAddress } from '../shared/names.ts'
import type { Cause } from './credentials.ts'
import type { CredentialMaterial } from './lease.ts'
import type { SealedVersions } from './sealed-versions.ts'
import { FACTS, type FactsAre, type VersionFactsOf } from './version-facts.ts'

export const VERIFICATION_RESULTS = ['works', 'refused', 'unreachable'] as const
export type VerificationResult = (typeof VERIFICATION_RESULTS)[number]

/** What may be shown of a version. Times are milliseconds since the epoch. */
export interface CredentialVersion extends AccountAddress {
  readonly version: number
  readonly kind: CredentialMaterial['kind']
  readonly createdAt: number
  readonly createdBy: string
  /** Undefined: an earlier gateway stored it. */
  readonly cause: Cause | undefined
  /** What set off the rotation that made it. */
  readonly trigger: string | undefined
  /** The version that it holds again. */
  readonly restoredFrom: number | undefined
  /** Undefined: never, or by an earlier gateway. */
  readonly inForceAt: number | undefined
  readonly verified: { readonly at: number; readonly result: VerificationResult } | undefined
  /** When it was last lent to a session or a check-out. */
  readonly lentAt: number | undefined
  readonly pinned: boolean
  /** In force: what is lent. */
  readonly current: boolean
  /** Above the one in force, and not lent. */
  readonly candidate: boolean
  /** The public half of a key pair (RFC 4253 §6.6); undefined for passwords, what earlier gateways stored, and a damaged one. */
  readonly publicKey: Buffer | undefined
  /** Whether what is told here was sealed; where the row says something else, this is what was. */
  readonly facts: FactsAre
}

/** `changed`: the columns that say something else; none: what was sealed does not open. */
export interface AlteredVersion extends AccountAddress {
  readonly version: number
  readonly changed: readonly string[]
}

/** Which versions stay. */
export interface Retention {
  /** The newest of those that are not in force any more, counted with the one that is. */
  readonly keep: number
  /** Each also stays so long after it was replaced. */
  readonly olderThanMs: number
  /** As an open rotation names. */
  readonly never: readonly number[]
  /** So many candidates that rotations gave up stay; not given: as many as `keep`. */
  readonly keepCandidates?: number
  /** How late it surely is; not given: what the clock says. */
  readonly now?: number
}

/** While the version in force has not logged in: any of these may be what does. */
const KEPT_UNVERIFIED = 10
/** A change that seemed to have failed does not reach a target later. */
const LATE_MS = 86_400_000

interface Parts {
  readonly database: Database
  readonly clock: Clock
  readonly sealed: SealedVersions
  readonly facts: VersionFactsOf
  readonly inForce: (address: AccountAddress) => Promise<number | undefined>
}

const SHOWN = ['account', 'target', 'version', 'public', 'facts'] as const
/** Opened in one go: a login waits for no more. */
const PAGE = 50

export function createVersionHistory({ database, clock, sealed, facts: versionFacts, inForce }: Parts) {
  const versionsOf = (on: Database, { account, target }: AccountAddress) =>
    on.selectFrom('credentials').where('account', '=', account).where('target', '=', target)

  async function set(
    on: Database,
    { account, target }: AccountAddress,
    version: number,
    facts: { verified_at: number; verified_result: string } | { pinned: number },
  ): Promise<void> {
    if (!(await versionFacts.change(on, { account, target, version }, facts)))
      throw noVersion({ account, target }, version)
  }

  return {
    /** All versions of one account, newest first, by their numbers: a clock that was set back changes nothing. */
    async history(address: AccountAddress): Promise<CredentialVersion[]> {
      const current = await inForce(address)
      const rows = await versionsOf(database, address)
        .select(SHOWN)
        .select(FACTS)
        .select(({ selectFrom }) =>
          selectFrom('leases')
            .select(({ fn }) => fn.max('leases.started_at').as('lent_at'))
            .whereRef('leases.account', '=', 'credentials.account')
            .whereRef('leases.target', '=', 'credentials.target')
            .whereRef('leases.credential_version', '=', 'credentials.version')
            .as('lent_at'),
        )
        .select(({ eb }) => eb('bound', 'is not', null).as('is_bound'))
        .orderBy('version', 'desc')
        .execute()
      return rows.map(row => {
        const { are, facts } = versionFacts.read(row)
        const { verified_at: at, verified_result: result } = facts
        return {
          account: row.account,
          target: row.target,
          version: row.version,
          kind: facts.kind as CredentialMaterial['kind'],
          createdAt: facts.created_at,
          createdBy: facts.created_by,
          cause: (facts.cause as Cause | null) ?? undefined,
          trigger: facts.trigger ?? undefined,
          restoredFrom: facts.copy_of ?? undefined,
          inForceAt: facts.current_at ?? undefined,
          verified: at === null ? undefined : { at, result: result as VerificationResult },
          lentAt: row.lent_at === null ? undefined : Number(row.lent_at),
          pinned: facts.pinned === 1,
          current: row.version === current,
          candidate: current !== undefined && row.version > current && Boolean(row.is_bound),
          publicKey: publicOf(row),
          facts: are,
        }
      })
    },

    /** Versions of which the store says something else than what was sealed; by account, target and version. */
    async *altered(): AsyncGenerator<AlteredVersion, void> {
      for (let after: AccountAddress & { version: number } = { target: '', account: '', version: 0 }; ; ) {
        const { target, account, version } = after
        const page = await database
          .selectFrom('credentials')
          .select(['account', 'target', 'version', 'facts', ...FACTS])
          .where(({ eb, refTuple, tuple }) =>
            eb(refTuple('account', 'target', 'version'), '>', tuple(account, target, version)),
          )
          .orderBy('account')
          .orderBy('target')
          .orderBy('version')
          .limit(PAGE)
          .execute()
        for (const row of page) {
          const { are, changed } = versionFacts.read(row)
          if (are === 'altered') yield { account: row.account, target: row.target, version: row.version, changed }
        }
        const last = page.at(-1)
        if (last === undefined || page.length < PAGE) return
        after = last
      }
    },

    /** Throws `NOT_FOUND`. */
    noteVerified(
      address: AccountAddress,
      version: number,
      { at, result }: { readonly at: number; readonly result: VerificationResult },
      change = changeOf(database),
    ): Promise<void> {
      return change(on => set(on, address, version, { verified_at: at, verified_result: result }))
    },

    /** A pinned version stays, however old. Throws `NOT_FOUND`. */
    pin(address: AccountAddress, version: number, pinned: boolean, change = changeOf(database)): Promise<void> {
      return change(on => set(on, address, version, { pinned: Number(pinned) }))
    },

    /**
     * Deletes versions beyond both count and age, and candidates that rotations gave up beyond their count, and gives which. Never the one in
     * force, pinned ones, what may be the only copy of what is valid at the target, or any where nothing says which is in force.
     */
    async retire(
      address: AccountAddress,
      { keep, olderThanMs, never, keepCandidates = keep, now = clock.now() }: Retention,
      change = changeOf(database),
    ): Promise<number[]> {
      const current = await inForce(address)
      if (current === undefined) return []
      const { account, target } = address
      const retired = await change<number[] | false>(async on => {
        const rows = await versionsOf(on, address)
          .select(['version', 'created_at', 'current_at', 'cause', 'pinned', 'verified_at', 'verified_result'])
          .orderBy('version', 'desc')
          .execute()
        const verified = rows.find(({ version }) => version === current)
        // Something else is valid there.
        if (verified?.verified_result === 'refused') return false
        const workedAt = verified?.verified_result === 'works' ? verified.verified_at : null
        const staysAnyway = (version: number, pinned: number) => pinned === 1 || never.includes(version)
        const gone: number[] = []

        // Of candidates: made by a rotation, and what was sent to the target has come or does not come any more.
        const isOver = ({ cause, created_at }: { cause: string | null; created_at: number }) =>
          (cause === 'rotated' || cause === 'reconciled') && workedAt !== null && workedAt - created_at >= LATE_MS

        const above = rows.filter(({ version }) => version > current)
        for (const [index, row] of above.entries()) {
          // The newest stays in any case: no number is given twice.
          if (index < Math.max(1, keepCandidates) || staysAnyway(row.version, row.pinned)) continue
          if (isOver(row)) gone.push(row.version)
        }

        const from = rows.filter(({ version }) => version <= current)
        const lastWorked = from.find(({ verified_result }) => verified_result === 'works')?.version
        const before = Math.min(now, clock.now()) - olderThanMs
        let replacedAt = Number.POSITIVE_INFINITY
        for (const [index, row] of from.entries()) {
          const { version, current_at, created_at, cause, pinned } = row
          // Of what earlier gateways stored, which gave no cause, each was in force.
          const neverInForce = current_at === null && cause !== null
          const mayBeValid =
            (workedAt === null && (index <= KEPT_UNVERIFIED || version === lastWorked)) ||
            (neverInForce && !isOver(row))
          const wanted = index < keep || version === current || mayBeValid || staysAnyway(version, pinned)
          if (!wanted && replacedAt <= before) gone.push(version)
          // A candidate that never was in force has replaced nothing.
          replacedAt = current_at ?? (neverInForce ? replacedAt : created_at)
        }
        if (gone.length === 0) return false
        const deleted = await on
          .deleteFrom('credentials')
          .where('account', '=', account)
          .where('target', '=', target)
          .where('version', 'in', gone)
          // Somebody may have pinned one meanwhile.
          .where('pinned', '=', 0)
          .returning('version')
          .execute()
        return deleted.map(({ version }) => version).sort((a, b) => b - a)
      })
      return retired === false ? [] : retired
    },
  }

  function publicOf({ public: text, ...address }: AccountAddress & { version: number; public: string | null }) {
    if (text === null) return undefined
    try {
      return sealed.openPublic(address, text)
    } catch (error) {
      if (error instanceof GatewayError) return undefined
      throw error
    }
  }
}

function noVersion(address: AccountAddress, version: number): GatewayError {
  return new GatewayError('NOT_FOUND', `The vault holds no version ${version} of ${formatAccountAddress(address)}.`)
}
