/** Enrolment: sets, lists and removes the factors that people prove who they are with. */

import { type Change, changeOf } from '../../database/change.ts'
import type { Database } from '../../database/database.ts'
import { slices } from '../../database/slices.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Sealer } from '../../shared/cryptography/sealer.ts'
import { GatewayError } from '../../shared/errors.ts'
import type { EnrolledFactor } from '../../shared/factors.ts'
import { Secret } from '../../shared/secret.ts'
import { createPasswords, type Passwords } from './password.ts'
import { factorPurpose } from './stored-factors.ts'
import { generateTotpSecret, totpUrl } from './totp.ts'

export interface Factors {
  /** Throws `BAD_REQUEST` for a password that may not be set, and `NOT_FOUND` for an unknown user. */
  setPassword(user: string, password: Secret, change?: Change): Promise<void>
  /** Makes a new secret, in place of an older one. It is shown this one time: base 32, and as the QR code's URL. */
  enrolTotp(user: string, change?: Change): Promise<{ secret: Secret; url: Secret }>
  /** False when the user had no such factor. */
  removeFactor(user: string, kind: EnrolledFactor, change?: Change): Promise<boolean>
  list(user: string): Promise<EnrolledSince[]>
  /** Of each of these users who has any. */
  listOf(users: readonly string[]): Promise<Map<string, EnrolledSince[]>>
}

export interface EnrolledSince {
  readonly kind: EnrolledFactor
  readonly updatedAt: number
}

interface Parts {
  readonly database: Database
  readonly vault: Sealer
  readonly clock: Clock
  readonly passwords?: Passwords
}

export function createFactors({ database, vault, clock, passwords = createPasswords() }: Parts): Factors {
  async function put(user: string, kind: EnrolledFactor, text: string, change = changeOf(database)): Promise<void> {
    const known = await database.selectFrom('users').select('name').where('name', '=', user).executeTakeFirst()
    if (known === undefined) throw new GatewayError('NOT_FOUND', `There is no user ${user}.`)
    const value = vault.sealBytes(factorPurpose(kind, user), Buffer.from(text))
    const values = { value, last_step: 0, updated_at: clock.now() }
    await change(on =>
      on
        .insertInto('factors')
        .values({ user, kind, ...values })
        .onConflict(conflict => conflict.columns(['user', 'kind']).doUpdateSet(values))
        .execute(),
    )
  }

  return {
    async setPassword(user, password, change) {
      await put(user, 'password', await passwords.hash(password), change)
    },
    async enrolTotp(user, change) {
      const secret = generateTotpSecret()
      await put(user, 'totp', secret, change)
      return { secret: new Secret(secret), url: new Secret(totpUrl(user, secret)) }
    },
    removeFactor: (user, kind, change = changeOf(database)) =>
      change(async on => {
        const { numDeletedRows } = await on
          .deleteFrom('factors')
          .where('user', '=', user)
          .where('kind', '=', kind)
          .executeTakeFirst()
        return numDeletedRows > 0n
      }),
    list: async user => (await listOf([user])).get(user) ?? [],
    listOf,
  }

  async function listOf(users: readonly string[]): Promise<Map<string, EnrolledSince[]>> {
    const found = new Map<string, EnrolledSince[]>()
    for (const some of slices(users)) {
      const rows = await database
        .selectFrom('factors')
        .select(['user', 'kind', 'updated_at'])
        .where('user', 'in', some)
        .orderBy('kind')
        .execute()
      for (const { user, kind, updated_at: updatedAt } of rows) {
        const factors = found.get(user) ?? []
        found.set(user, factors)
        factors.push({ kind: kind as EnrolledFactor, updatedAt })
      }
    }
    return found
  }
}
