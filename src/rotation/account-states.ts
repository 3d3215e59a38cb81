/** How the credential of each account stands at its target, by what was last tried. The one place that writes `credential_states`. */

import { type ExpressionBuilder, sql } from 'kysely'
import type { Database } from '../database/database.ts'
import type { CredentialStateTable, Schema } from '../database/schema.ts'
import type { Clock } from '../shared/clock.ts'
import type { AccountAddress } from '../shared/names.ts'
import type { Rotation } from './journal.ts'

/** `failed`: what was last tried went wrong. `unknown`: nothing that the vault holds logs in. */
export const ACCOUNT_STATES = ['ok', 'failed', 'unknown'] as const
export type AccountState = (typeof ACCOUNT_STATES)[number]
export type VerifiedResult = 'works' | 'refused' | 'changed-elsewhere' | 'damaged' | 'unreachable'

type Changed = Partial<Omit<CredentialStateTable, 'account' | 'target' | 'updated_at' | 'failures'>>

export type AccountStates = ReturnType<typeof createAccountStates>

export function createAccountStates({ database, clock }: { database: Database; clock: Clock }) {
  /** `state` not given: it stays. */
  async function write(
    on: Database,
    { account, target }: AccountAddress,
    { state, ...changed }: Changed & { state?: AccountState | 'failed-unless-unknown' },
    failed: boolean,
  ): Promise<void> {
    const updated_at = clock.now()
    const first = { words: '', rotated_at: null, verified_at: null, verified_result: null, ...changed }
    const begins: AccountState = state === 'failed-unless-unknown' ? 'failed' : (state ?? 'ok')
    await on
      .insertInto('credential_states')
      .values({ account, target, state: begins, ...first, failures: failed ? 1 : 0, updated_at })
      .onConflict(conflict =>
        conflict
          .columns(['account', 'target'])
          .doUpdateSet(({ eb, ref }: ExpressionBuilder<Schema, 'credential_states'>) => ({
            ...changed,
            ...(state === undefined
              ? {}
              : { state: state === 'failed-unless-unknown' ? FAILED_UNLESS_UNKNOWN : state }),
            failures: failed ? eb(ref('credential_states.failures'), '+', 1) : 0,
            updated_at,
          })),
      )
      .execute()
  }

  async function verified(on: Database, address: AccountAddress, result: VerifiedResult, words: string): Promise<void> {
    const changed = { verified_at: clock.now(), verified_result: result, words }
    switch (result) {
      case 'works':
        return write(on, address, { ...changed, state: 'ok' }, false)
      case 'refused':
      case 'changed-elsewhere':
      case 'damaged':
        return write(on, address, { ...changed, state: 'failed-unless-unknown' }, true)
      // Nothing is known of the credential: what was known of it stays.
      case 'unreachable':
        return write(on, address, changed, true)
    }
  }

  return {
    verified,

    /** What follows from a rotation's transition, in its transaction. */
    async follow(on: Database, rotation: Rotation): Promise<void> {
      const { state, words } = rotation
      switch (state) {
        case 'current': {
          await verified(on, rotation, 'works', words)
          return write(on, rotation, { rotated_at: clock.now() }, false)
        }
        case 'finished':
          return write(on, rotation, { state: words === '' ? 'ok' : 'failed', words }, words !== '')
        case 'backed-out':
          // Where something was sent, a login has shown what is in force.
          return write(on, rotation, { state: rotation.changes > 0 ? 'failed' : 'failed-unless-unknown', words }, true)
        case 'refused':
          return write(on, rotation, { state: 'failed-unless-unknown', words }, true)
        case 'unknown':
          return write(on, rotation, { state, words }, true)
        case 'prepared':
        case 'applying':
        case 'applied':
        case 'verified':
          return undefined
      }
    },

    /** What was wrong beside the credential, in words that began so, is over. */
    async mended({ account, target }: AccountAddress, prefix: string): Promise<void> {
      const row = database.updateTable('credential_states').where('account', '=', account).where('target', '=', target)
      const ours = row.where('state', '=', 'failed').where('words', 'like', `${prefix}%`)
      await ours.set({ state: 'ok', words: '', failures: 0, updated_at: clock.now() }).execute()
    },

    async get({ account, target }: AccountAddress): Promise<CredentialStateTable | undefined> {
      const all = database.selectFrom('credential_states').selectAll()
      return all.where('account', '=', account).where('target', '=', target).executeTakeFirst()
    },

    /** How many accounts are in each. */
    async counts(): Promise<Record<Exclude<AccountState, 'ok'>, number>> {
      const rows = await database
        .selectFrom('credential_states')
        .select(({ fn }) => ['state', fn.countAll().as('count')])
        .where('state', '<>', 'ok')
        .groupBy('state')
        .execute()
      const of = (state: AccountState) => Number(rows.find(row => row.state === state)?.count ?? 0)
      return { failed: of('failed'), unknown: of('unknown') }
    },
  }
}

const FAILED_UNLESS_UNKNOWN = sql<string>`case when credential_states.state = 'unknown' then 'unknown' else 'failed' end`
