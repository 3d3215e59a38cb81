/** The credentials table: versions are added and never changed, and each row opens only in its own place. */

import type { Database } from '../database/database.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import { type AccountAddress, formatAccountAddress, NAME_PATTERN } from '../shared/names.ts'
import { acceptMaterial, decodeMaterial, encodeMaterial } from './credential.ts'
import type { CredentialMaterial } from './lease.ts'

/** What may be shown of a credential. */
export interface CredentialVersion {
  readonly account: string
  readonly target: string
  readonly version: number
  readonly kind: CredentialMaterial['kind']
  readonly createdAt: number
  readonly createdBy: string
}

interface Parts {
  readonly database: Database
  readonly clock: Clock
  readonly seal: (purpose: string, bytes: Buffer) => string
  readonly open: (purpose: string, sealed: string) => Buffer
}

const MAX_RACES = 20
const SHOWN = ['account', 'target', 'version', 'kind', 'created_at', 'created_by'] as const

export function createCredentials({ database, clock, seal, open }: Parts) {
  const versionsOf = ({ account, target }: AccountAddress) =>
    database.selectFrom('credentials').where('account', '=', account).where('target', '=', target)

  return {
    async add(address: AccountAddress, material: CredentialMaterial, by: string): Promise<number> {
      if (!NAME_PATTERN.test(address.account) || !NAME_PATTERN.test(address.target)) {
        throw new GatewayError('BAD_REQUEST', 'An account is named account@target, for example root@web-01.')
      }
      const accepted = await acceptMaterial(material)
      for (let race = 0; race < MAX_RACES; race++) {
        const last = await versionsOf(address)
          .select(({ fn }) => fn.max('version').as('version'))
          .executeTakeFirst()
        const version = Number(last?.version ?? 0) + 1
        const bytes = encodeMaterial(accepted)
        const sealed = seal(purposeOf(address, version), bytes)
        bytes.fill(0)
        const { account, target } = address
        const row = { account, target, version, kind: accepted.kind, sealed, created_at: clock.now(), created_by: by }
        const { numInsertedOrUpdatedRows } = await database
          .insertInto('credentials')
          .values(row)
          .onConflict(conflict => conflict.columns(['account', 'target', 'version']).doNothing())
          .executeTakeFirst()
        if (numInsertedOrUpdatedRows === 1n) return version
        // Someone else stored this version in the meantime: theirs stands, ours is the next.
      }
      throw new GatewayError('CONFLICT', `Too many others store ${formatAccountAddress(address)} at once; try again.`)
    },

    /** The newest version of every account that has one, by target and account. */
    async list(): Promise<CredentialVersion[]> {
      const rows = await database
        .selectFrom('credentials')
        .select(SHOWN)
        .where(({ eb, selectFrom }) =>
          eb(
            'version',
            '=',
            selectFrom('credentials as newer')
              .select(({ fn }) => fn.max('newer.version').as('version'))
              .whereRef('newer.account', '=', 'credentials.account')
              .whereRef('newer.target', '=', 'credentials.target'),
          ),
        )
        .orderBy('target')
        .orderBy('account')
        .execute()
      return rows.map(shown)
    },

    /** All versions of one account, newest first. */
    async history(address: AccountAddress): Promise<CredentialVersion[]> {
      const rows = await versionsOf(address).select(SHOWN).orderBy('version', 'desc').execute()
      return rows.map(shown)
    },

    /** Opens the newest version; undefined when there is none. Throws `VAULT_DAMAGED` or `VAULT_KEY_MISMATCH`. */
    async openNewest(address: AccountAddress): Promise<{ version: number; material: CredentialMaterial } | undefined> {
      const row = await versionsOf(address)
        .select(['version', 'sealed'])
        .orderBy('version', 'desc')
        .limit(1)
        .executeTakeFirst()
      if (row === undefined) return undefined
      const bytes = open(purposeOf(address, row.version), row.sealed)
      try {
        return { version: row.version, material: decodeMaterial(bytes) }
      } finally {
        bytes.fill(0)
      }
    },
  }
}

function purposeOf(address: AccountAddress, version: number): string {
  return `credential ${formatAccountAddress(address)} v${version}`
}

function shown(row: {
  account: string
  target: string
  version: number
  kind: string
  created_at: number
  created_by: string
}): CredentialVersion {
  const { account, target, version, created_at: createdAt, created_by: createdBy } = row
  return { account, target, version, kind: row.kind as CredentialMaterial['kind'], createdAt, createdBy }
}
