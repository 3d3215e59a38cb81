/** Which version of an account's credential each of its dependents was told of, and what came of it last. The one place with SQL on `dependent_states`. */

import type { Selectable } from 'kysely'
import type { Database } from '../../database/database.ts'
import type { DependentStateTable } from '../../database/schema.ts'
import type { Clock } from '../../shared/clock.ts'
import type { AccountAddress } from '../../shared/names.ts'

export interface DependentState extends AccountAddress {
  readonly program: string
  /** It has this version; undefined: it was told of none. */
  readonly version: number | undefined
  /** What went wrong when it was last to be told; undefined: nothing. */
  readonly failed:
    | { readonly version: number; readonly words: string; readonly tries: number; readonly since: number }
    | undefined
  readonly updatedAt: number
}

export type DependentStates = ReturnType<typeof createDependentStates>

export function createDependentStates({ database, clock }: { database: Database; clock: Clock }) {
  const rowsOf = ({ account, target }: AccountAddress, on: Database) =>
    on.selectFrom('dependent_states').selectAll().where('account', '=', account).where('target', '=', target)

  return {
    async of(address: AccountAddress): Promise<DependentState[]> {
      return (await rowsOf(address, database).orderBy('program').execute()).map(stateOf)
    },

    async failing(): Promise<DependentState[]> {
      const failed = database.selectFrom('dependent_states').selectAll().where('failed_version', 'is not', null)
      return (await failed.orderBy('target').orderBy('account').orderBy('program').execute()).map(stateOf)
    },

    async told(on: Database, { account, target }: AccountAddress, program: string, version: number): Promise<void> {
      const now = { version, failed_version: null, words: '', tries: 0, failed_since: null, updated_at: clock.now() }
      await on
        .insertInto('dependent_states')
        .values({ account, target, program, ...now })
        .onConflict(conflict => conflict.columns(['account', 'target', 'program']).doUpdateSet(now))
        .execute()
    },

    async failed(
      on: Database,
      { account, target }: AccountAddress,
      program: string,
      { version, words }: { readonly version: number; readonly words: string },
    ): Promise<void> {
      const now = { failed_version: version, words, updated_at: clock.now() }
      await on
        .insertInto('dependent_states')
        .values({ account, target, program, version: null, tries: 1, failed_since: clock.now(), ...now })
        .onConflict(conflict =>
          conflict.columns(['account', 'target', 'program']).doUpdateSet(({ eb, fn, ref }) => ({
            ...now,
            tries: eb(ref('dependent_states.tries'), '+', 1),
            failed_since: fn.coalesce(ref('dependent_states.failed_since'), eb.val(clock.now())),
          })),
        )
        .execute()
    },

    /** Those that the account's entry names no more. */
    async forgetOthers(on: Database, { account, target }: AccountAddress, programs: readonly string[]): Promise<void> {
      const rows = on.deleteFrom('dependent_states').where('account', '=', account).where('target', '=', target)
      await (programs.length === 0 ? rows : rows.where('program', 'not in', [...programs])).execute()
    },
  }
}

function stateOf(row: Selectable<DependentStateTable>): DependentState {
  const { account, target, program, failed_version: version, words, tries, failed_since: since } = row
  return {
    ...{ account, target, program, version: row.version ?? undefined, updatedAt: row.updated_at },
    failed: version === null ? undefined : { version, words, tries, since: since ?? row.updated_at },
  }
}
