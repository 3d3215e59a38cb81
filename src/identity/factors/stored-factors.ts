/** What the store knows of a user's factors, and the one statement that makes a code good for a single use. */

import { createHash } from 'node:crypto'
import type { Database } from '../../database/database.ts'

export interface StoredFactors {
  /** In PHC form. */
  readonly passwordHash: string | undefined
  /** The one-time-code secret, sealed for {@link totpPurpose}. */
  readonly sealedTotp: string | undefined
  /** Changes whenever the user's entry, password or one-time-code secret does. */
  readonly generation: string
}

/** What a user's one-time-code secret is sealed for. */
export function totpPurpose(user: string): string {
  return `totp ${user}`
}

/** One query, the same for a user who does not exist. */
export async function readStoredFactors(database: Database, user: string): Promise<StoredFactors> {
  const rows = await database
    .selectFrom('users')
    .leftJoin('factors', 'factors.user', 'users.name')
    .select(['users.updated_at', 'factors.kind', 'factors.value'])
    .where('users.name', '=', user)
    .execute()
  const stored = (kind: string) => rows.find(row => row.kind === kind)?.value ?? undefined
  const passwordHash = stored('password')
  const sealedTotp = stored('totp')
  const generation = createHash('sha256')
    .update(JSON.stringify([rows[0]?.updated_at, passwordHash, sealedTotp]))
    .digest('hex')
  return { passwordHash, sealedTotp, generation }
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
