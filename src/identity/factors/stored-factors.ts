/** What the store knows of a user's factors, and the one statement that makes a code good for a single use. */

import { createHash } from 'node:crypto'
import type { Database } from '../../database/database.ts'
import { ENROLLED_FACTORS, type EnrolledFactor } from '../../shared/factors.ts'

export interface StoredFactors {
  /** Sealed for {@link factorPurpose}: the password's hash, the one-time codes' secret. */
  readonly sealed: Readonly<Partial<Record<EnrolledFactor, string>>>
  /** Changes whenever the user's entry, password or one-time-code secret does. */
  readonly generation: string
}

/**
 * What a factor is sealed for. Password hashes are sealed too: whoever steals the store cannot try out passwords on them, and
 * whoever can write to it cannot put a hash of their own there.
 */
export function factorPurpose(kind: EnrolledFactor, user: string): string {
  return `${kind} ${user}`
}

/** One query, the same for a user who does not exist. */
export async function readStoredFactors(database: Database, user: string): Promise<StoredFactors> {
  const rows = await database
    .selectFrom('users')
    .leftJoin('factors', 'factors.user', 'users.name')
    .select(['users.updated_at', 'factors.kind', 'factors.value'])
    .where('users.name', '=', user)
    .execute()
  const sealed: Partial<Record<EnrolledFactor, string>> = {}
  for (const kind of ENROLLED_FACTORS) {
    const value = rows.find(row => row.kind === kind)?.value
    if (value != null) sealed[kind] = value
  }
  const generation = createHash('sha256')
    .update(JSON.stringify([rows[0]?.updated_at, ...ENROLLED_FACTORS.map(kind => sealed[kind])]))
    .digest('hex')
  return { sealed, generation }
}

/**
 * Marks a step's code, and those before it, as used. True for exactly one caller, whichever gateway it is on and however
 * often they restart (RFC 6238 §5.2: "MUST NOT accept the second attempt of the OTP").
 */
export async function useStep(database: Database, user: string, sealedTotp: string, step: number): Promise<boolean> {
  const { numUpdatedRows } = await database
    .updateTable('factors')
    .set({ last_step: step })
    .where('user', '=', user)
    .where('kind', '=', 'totp')
    .where('value', '=', sealedTotp)
    .where('last_step', '<', step)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}
