/**
 * What is told of a version beside its secret (when, why, by whom, verified, pinned), also sealed, for this version. So a row that says something
 * else was changed by somebody who writes the store and has no key; what was sealed is what counts then.
 */

import type { Selectable } from 'kysely'
import { z } from 'zod'
import type { Database } from '../database/database.ts'
import type { CredentialTable } from '../database/schema.ts'
import { GatewayError } from '../shared/errors.ts'
import { type AccountAddress, formatAccountAddress } from '../shared/names.ts'
import type { Sealing } from './binding.ts'

export const FACTS = [
  ...['kind', 'created_at', 'created_by', 'cause', 'trigger', 'copy_of'],
  ...['current_at', 'verified_at', 'verified_result', 'pinned'],
] as const satisfies (keyof CredentialTable)[]
type Fact = 'kind' | 'created_at' | 'created_by' | 'cause' | 'trigger' | 'copy_of' | Changing
/** What may change while the version stays. */
type Changing = 'current_at' | 'verified_at' | 'verified_result' | 'pinned'

export type VersionFacts = Pick<Selectable<CredentialTable>, Fact>
type Numbered = AccountAddress & { readonly version: number }
type StoredFacts = Numbered & VersionFacts & { readonly facts: string | null }

/** `sealed`: the row says what was sealed. `unsealed`: an earlier gateway stored it, and nobody vouches for the row. `altered`: somebody changed it. */
export const FACTS_ARE = ['sealed', 'unsealed', 'altered'] as const
export type FactsAre = (typeof FACTS_ARE)[number]

const number = z.number().nullable()
const text = z.string().nullable()
const factsSchema = z.strictObject({
  ...{ kind: z.string(), created_at: z.number(), created_by: z.string(), cause: text, trigger: text, copy_of: number },
  ...{ current_at: number, verified_at: number, verified_result: text, pinned: z.number() },
}) satisfies z.ZodType<VersionFacts>

/** Others that change the same row at the same moment. */
const MAX_RACES = 20

export function createVersionFacts({ seal, open }: Sealing) {
  const sealFacts = (address: Numbered, facts: VersionFacts) =>
    seal(purposeOf(address), Buffer.from(JSON.stringify(only(facts))))

  /** Undefined where they do not open. */
  function openFacts(row: StoredFacts & { readonly facts: string }): VersionFacts | undefined {
    try {
      const parsed = factsSchema.safeParse(JSON.parse(open(purposeOf(row), row.facts).toString('utf8')))
      return parsed.data
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'VAULT_DAMAGED') return undefined
      throw error
    }
  }

  return {
    seal: sealFacts,

    /** What was sealed, where it opens; else what the row says. */
    read(row: StoredFacts): {
      readonly are: FactsAre
      readonly facts: VersionFacts
      readonly changed: readonly Fact[]
    } {
      const { facts } = row
      if (facts === null) return { are: 'unsealed', facts: only(row), changed: [] }
      const sealed = openFacts({ ...row, facts })
      if (sealed === undefined) return { are: 'altered', facts: only(row), changed: [] }
      const changed = FACTS.filter(fact => sealed[fact] !== row[fact])
      return { are: changed.length === 0 ? 'sealed' : 'altered', facts: sealed, changed }
    },

    /** Of the row and of what is sealed. What nobody vouched for, or somebody altered, stays so. False where there is no such version. */
    async change(on: Database, address: Numbered, changed: Partial<Pick<VersionFacts, Changing>>): Promise<boolean> {
      const { account, target, version } = address
      for (let race = 0; race < MAX_RACES; race++) {
        const row = await on
          .selectFrom('credentials')
          .select(['account', 'target', 'version', 'facts', ...FACTS])
          .where('account', '=', account)
          .where('target', '=', target)
          .where('version', '=', version)
          .executeTakeFirst()
        if (row === undefined) return false
        const { facts } = row
        const sealed = facts === null ? undefined : openFacts({ ...row, facts })
        const next = sealed === undefined ? facts : sealFacts(address, { ...sealed, ...changed })
        const { numUpdatedRows } = await on
          .updateTable('credentials')
          .set({ ...changed, facts: next })
          .where('account', '=', account)
          .where('target', '=', target)
          .where('version', '=', version)
          .where('facts', facts === null ? 'is' : '=', facts)
          .executeTakeFirst()
        if (numUpdatedRows > 0n) return true
      }
      throw new GatewayError('CONFLICT', `Too many others change ${formatAccountAddress(address)} at once; try again.`)
    },
  }
}

export type VersionFactsOf = ReturnType<typeof createVersionFacts>

function only(row: VersionFacts): VersionFacts {
  const { kind, created_at, created_by, cause, trigger, copy_of } = row
  const { current_at, verified_at, verified_result, pinned } = row
  return { kind, created_at, created_by, cause, trigger, copy_of, current_at, verified_at, verified_result, pinned }
}

function purposeOf(address: Numbered): string {
  return `facts of ${formatAccountAddress(address)} v${address.version}`
}
