/** API tokens: who they speak for, what they may do, until when. Only a hash of a token is ever stored. */

import { createHash, randomBytes } from 'node:crypto'
import type { Selectable } from 'kysely'
import { type Change, changeOf } from '../database/change.ts'
import type { Database } from '../database/database.ts'
import type { ApiTokenTable } from '../database/schema.ts'
import type { Clock } from '../shared/clock.ts'
import type { Sealer } from '../shared/cryptography/sealer.ts'
import { GatewayError } from '../shared/errors.ts'
import { parseScopes, type Scope } from '../shared/scopes.ts'
import { Secret } from '../shared/secret.ts'

export interface TokenFacts {
  readonly name: string
  readonly user: string
  /** As it was asked for: scopes with commas between them, or the word of an earlier version (`admin`). */
  readonly scope: string
  /** What that means; nothing where it is not genuine. */
  readonly scopes: ReadonlySet<Scope>
  readonly createdAt: number
  readonly expiresAt: number | undefined
  /** False for a row that was written or changed by hand, or made by an earlier version beside this one: it lets nobody in. */
  readonly genuine: boolean
}

export interface NewToken {
  readonly name: string
  /** The user that it speaks for; the audit log names them. */
  readonly user: string
  /** As `parseScopes` reads it. */
  readonly scope: string
  /** Milliseconds since the epoch; not given: it does not expire. */
  readonly expiresAt?: number | undefined
}

export interface Tokens {
  /** Makes a token and gives its text, `sp_` and 43 characters, this one time. Throws `CONFLICT` when the name is taken. */
  create(token: NewToken, change?: Change): Promise<Secret>
  list(on?: Database): Promise<TokenFacts[]>
  /** False when there is no token of that name. */
  revoke(name: string, change?: Change): Promise<boolean>
  /** What a token's text stands for; undefined when it is unknown, not genuine, or has expired. */
  find(text: string): Promise<TokenFacts | undefined>
  /** Seals the rows that an earlier version made; gives their names. */
  sealEarlier(): Promise<string[]>
}

type Row = Selectable<ApiTokenTable>

const TOKEN_PATTERN = /^sp_[A-Za-z0-9_-]{43}$/

interface Parts {
  readonly database: Database
  readonly clock: Clock
  readonly vault: Sealer
}

export function createTokens({ database, clock, vault }: Parts): Tokens {
  const sealOf = (row: Omit<Row, 'sealed'>) => vault.sealBytes(purposeOf(row), factsText(row))

  function isGenuine(row: Row): boolean {
    if (row.sealed === null) return false
    try {
      return vault.openBytes(purposeOf(row), row.sealed).equals(factsText(row))
    } catch (error) {
      if (error instanceof GatewayError) return false
      throw error
    }
  }

  return {
    async create({ name, user, scope, expiresAt }, change = changeOf(database)) {
      const text = `sp_${randomBytes(32).toString('base64url')}`
      const row = {
        hash: hashOf(text),
        name,
        user,
        scopes: scope,
        created_at: clock.now(),
        expires_at: expiresAt ?? null,
      }
      const created = await change(async on => {
        const { numInsertedOrUpdatedRows } = await on
          .insertInto('api_tokens')
          .values({ ...row, sealed: sealOf(row) })
          .onConflict(conflict => conflict.column('name').doNothing())
          .executeTakeFirst()
        return numInsertedOrUpdatedRows === 1n
      })
      if (!created) throw new GatewayError('CONFLICT', `There is a token with the name ${name} already.`)
      return new Secret(text)
    },

    async list(on = database) {
      const rows = await on.selectFrom('api_tokens').selectAll().orderBy('name').execute()
      return rows.map(row => factsOf(row, isGenuine(row)))
    },

    revoke: (name, change = changeOf(database)) =>
      change(async on => {
        const { numDeletedRows } = await on.deleteFrom('api_tokens').where('name', '=', name).executeTakeFirst()
        return numDeletedRows > 0n
      }),

    async find(text) {
      if (!TOKEN_PATTERN.test(text)) return undefined
      // The lookup is by hash, so its timing says nothing about the token: 256 bits cannot be approached step by step.
      const row = await database
        .selectFrom('api_tokens')
        .selectAll()
        .where('hash', '=', hashOf(text))
        .executeTakeFirst()
      if (row === undefined || (row.expires_at !== null && row.expires_at <= clock.now())) return undefined
      return isGenuine(row) ? factsOf(row, true) : undefined
    },

    async sealEarlier() {
      const rows = await database.selectFrom('api_tokens').selectAll().where('sealed', 'is', null).execute()
      for (const row of rows) {
        await database
          .updateTable('api_tokens')
          .set({ sealed: sealOf(row) })
          .where('hash', '=', row.hash)
          .where('sealed', 'is', null)
          .execute()
      }
      return rows.map(({ name, scopes }) => `${name} (${scopes})`)
    },
  }
}

function purposeOf({ hash }: Pick<Row, 'hash'>): string {
  return `api token ${hash}`
}

/** All that the row says of the token: a row with anything else is another. */
function factsText({ name, user, scopes, created_at, expires_at }: Omit<Row, 'sealed'>): Buffer {
  return Buffer.from(JSON.stringify([name, user, scopes, created_at, expires_at]))
}

/** What is stored of a token's text. */
export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function factsOf(row: Row, genuine: boolean): TokenFacts {
  return {
    name: row.name,
    user: row.user,
    scope: row.scopes,
    scopes: (genuine ? parseScopes(row.scopes) : undefined) ?? new Set(),
    createdAt: row.created_at,
    expiresAt: row.expires_at ?? undefined,
    genuine,
  }
}
