/** API tokens: who they speak for, what they may do, until when. Only a hash of a token is ever stored. */

import { createHash, randomBytes } from 'node:crypto'
import type { Selectable } from 'kysely'
import type { Database } from '../database/database.ts'
import type { ApiTokenTable } from '../database/schema.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import { Secret } from '../shared/secret.ts'

/**
 * `read` sees what is, `auditor` also what happened, `admin` may change it all, but for one thing: `credentials` stores credentials and
 * confirms where they may be sent, so that who can change a target cannot have its credential sent there.
 */
export const SCOPES = ['read', 'auditor', 'admin', 'credentials'] as const
export type Scope = (typeof SCOPES)[number]

export interface TokenFacts {
  readonly name: string
  readonly user: string
  readonly scope: Scope
  readonly createdAt: number
  readonly expiresAt: number | undefined
}

export interface NewToken {
  readonly name: string
  /** The user that it speaks for; the audit log names them. */
  readonly user: string
  readonly scope: Scope
  /** Milliseconds since the epoch; not given: it does not expire. */
  readonly expiresAt?: number | undefined
}

export interface Tokens {
  /** Makes a token and gives its text, `sp_` and 43 characters, this one time. Throws `CONFLICT` when the name is taken. */
  create(token: NewToken): Promise<Secret>
  list(): Promise<TokenFacts[]>
  /** False when there is no token of that name. */
  revoke(name: string): Promise<boolean>
  /** What a token's text stands for; undefined when it is unknown or has expired. */
  find(text: string): Promise<TokenFacts | undefined>
}

const TOKEN_PATTERN = /^sp_[A-Za-z0-9_-]{43}$/

export function createTokens({ database, clock }: { database: Database; clock: Clock }): Tokens {
  return {
    async create({ name, user, scope, expiresAt }) {
      const text = `sp_${randomBytes(32).toString('base64url')}`
      const { numInsertedOrUpdatedRows } = await database
        .insertInto('api_tokens')
        .values({
          hash: hashOf(text),
          name,
          user,
          scopes: scope,
          created_at: clock.now(),
          expires_at: expiresAt ?? null,
        })
        .onConflict(conflict => conflict.column('name').doNothing())
        .executeTakeFirst()
      if (numInsertedOrUpdatedRows !== 1n) {
        throw new GatewayError('CONFLICT', `There is a token with the name ${name} already.`)
      }
      return new Secret(text)
    },

    async list() {
      const rows = await database.selectFrom('api_tokens').selectAll().orderBy('name').execute()
      return rows.map(factsOf)
    },

    async revoke(name) {
      const { numDeletedRows } = await database.deleteFrom('api_tokens').where('name', '=', name).executeTakeFirst()
      return numDeletedRows > 0n
    },

    async find(text) {
      if (!TOKEN_PATTERN.test(text)) return undefined
      // The lookup is by hash, so its timing says nothing about the token: 256 bits cannot be approached step by step.
      const row = await database
        .selectFrom('api_tokens')
        .selectAll()
        .where('hash', '=', hashOf(text))
        .executeTakeFirst()
      if (row === undefined || (row.expires_at !== null && row.expires_at <= clock.now())) return undefined
      return factsOf(row)
    },
  }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function factsOf(row: Selectable<ApiTokenTable>): TokenFacts {
  const scope = SCOPES.find(known => known === row.scopes)
  if (scope === undefined) throw new GatewayError('FORBIDDEN', `The token ${row.name} has no scope that is known.`)
  return {
    name: row.name,
    user: row.user,
    scope,
    createdAt: row.created_at,
    expiresAt: row.expires_at ?? undefined,
  }
}
