/** Leases in the store: each is a session's or a check-out's, and whoever looks after one kind leaves the other alone. */

import type { Database } from '../database/database.ts'
import type { LeaseTable } from '../database/schema.ts'
import type { Clock } from '../shared/clock.ts'
import type { AccountAddress } from '../shared/names.ts'
import type { LeaseHolder, PromisedLease } from './lease.ts'

export type StoredLease = Omit<LeaseTable, 'session' | 'check_out'> & { readonly holder: LeaseHolder }

/** A credential that a person is shown. */
export interface Loan {
  readonly id: string
  readonly checkOut: string
  readonly user: string
  readonly address: AccountAddress
  readonly version: number
  readonly until: number
}

/** A session that has an account's credential, as its own or as a hop's. */
export interface LentTo {
  readonly session: string
  readonly user: string
  readonly version: number
}

export function createLeaseRows({ database, clock }: { database: Database; clock: Clock }) {
  return {
    async start({ id, holder, grant, version, address }: PromisedLease, on = database): Promise<void> {
      await on
        .insertInto('leases')
        .values({
          id,
          ...columnsOf(holder),
          user: grant.user,
          ...address,
          credential_version: version,
          started_at: clock.now(),
          until: grant.endsAt,
          ended_at: null,
        })
        .execute()
    },

    /** To a person, who sees it: it is open until their check-out ends. */
    async startLoan({ id, checkOut, user, address, version, until }: Loan, on: Database): Promise<void> {
      await on
        .insertInto('leases')
        .values({
          ...{ id, ...columnsOf({ kind: 'check-out', checkOut }), user, ...address },
          ...{ credential_version: version, started_at: clock.now(), until, ended_at: null },
        })
        .execute()
    },

    /** Returns the ids of those that were open. */
    async end(holder: LeaseHolder, on = database): Promise<string[]> {
      const { session, check_out } = columnsOf(holder)
      const ended = await on
        .updateTable('leases')
        .set({ ended_at: clock.now() })
        .where('session', '=', session)
        .where('check_out', check_out === null ? 'is' : '=', check_out)
        .where('ended_at', 'is', null)
        .returning('id')
        .execute()
      return ended.map(({ id }) => id)
    },

    async open(before: number): Promise<StoredLease[]> {
      const rows = await database
        .selectFrom('leases')
        .selectAll()
        .where('ended_at', 'is', null)
        .where('started_at', '<', before)
        .orderBy('started_at')
        .execute()
      return rows.map(stored)
    },

    /** Whose leases of this account's credential are open: of sessions on it, and of those that it is a hop for. */
    async openOf({ account, target }: AccountAddress, on: Database): Promise<LentTo[]> {
      const columns = ['session', 'user', 'credential_version as version'] as const
      const open = on.selectFrom('leases').select(columns).where('ended_at', 'is', null)
      const ofAccount = open.where('target', '=', target).where('account', '=', account)
      return ofAccount.where('check_out', 'is', null).execute()
    },

    sessionsAfter(id: string, limit: number, on: Database): Promise<LeaseTable[]> {
      const rows = on.selectFrom('leases').selectAll().where('check_out', 'is', null).where('id', '>', id)
      return rows.orderBy('id').limit(limit).execute()
    },
  }
}

function columnsOf(holder: LeaseHolder): { session: string; check_out: string | null } {
  switch (holder.kind) {
    case 'session':
      return { session: holder.session, check_out: null }
    case 'check-out':
      return { session: '', check_out: holder.checkOut }
  }
}

function stored({ session, check_out, ...row }: LeaseTable): StoredLease {
  return {
    ...row,
    holder: check_out === null ? { kind: 'session', session } : { kind: 'check-out', checkOut: check_out },
  }
}
