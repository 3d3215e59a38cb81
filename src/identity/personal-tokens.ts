/** Personal tokens in the store: whose, for what, until when, and what was proven when they were made. Only a hash of each is stored. */

import type { Selectable } from 'kysely'
import type { Database } from '../database/database.ts'
import type { PersonalTokenTable } from '../database/schema.ts'
import type { Clock } from '../shared/clock.ts'
import type { Sealer } from '../shared/cryptography/sealer.ts'
import { GatewayError } from '../shared/errors.ts'
import type { Factor } from '../shared/factors.ts'
import { formatScopes, parseScopes, type Scope } from '../shared/scopes.ts'
import { Secret } from '../shared/secret.ts'
import { isPersonalTokenText, newPersonalTokenText } from './token-text.ts'
import { hashOf } from './tokens.ts'

export interface PersonalToken {
  readonly user: string
  readonly name: string
  /** What was asked for. What it is good for is less where her roles give less by now. */
  readonly scopes: ReadonlySet<Scope>
  /** The factors that she had proven when it was made: a role that asks for others gives it nothing. */
  readonly proven: ReadonlySet<Factor>
  /** The address from where it was made. */
  readonly madeFrom: string
  readonly createdAt: number
  readonly expiresAt: number
  readonly firstUsedAt: number | undefined
}

export type NewPersonalToken = Omit<PersonalToken, 'createdAt' | 'firstUsedAt'>

/** What may go wrong in making one. */
export type NotMade = 'name-taken' | 'too-many' | 'no-such-user'

type Row = Selectable<PersonalTokenTable>
type Facts = Omit<Row, 'hash' | 'sealed' | 'first_used_at'>

/** So many of one user may be valid at once. */
export const MOST_TOKENS = 50

export type PersonalTokens = ReturnType<typeof createPersonalTokens>

/** Each write is in the transaction that is handed over. */
export function createPersonalTokens(parts: { database: Database; clock: Clock; vault: Sealer }) {
  const { database, clock, vault } = parts

  /** Undefined for a row that was written, changed or moved by hand: it is no token. */
  function tokenOf(row: Row): PersonalToken | undefined {
    const scopes = parseScopes(row.scopes)
    if (scopes === undefined || !isGenuine(row)) return undefined
    const { proven, madeFrom } = JSON.parse(row.made) as { proven: Factor[]; madeFrom: string }
    return {
      ...{ user: row.user, name: row.name, scopes, proven: new Set(proven), madeFrom },
      ...{ createdAt: row.created_at, expiresAt: row.expires_at, firstUsedAt: row.first_used_at ?? undefined },
    }
  }

  function isGenuine(row: Row): boolean {
    try {
      return vault.openBytes(purposeOf(row.hash), row.sealed).equals(sealedFacts(row))
    } catch (error) {
      if (error instanceof GatewayError) return false
      throw error
    }
  }

  return {
    /** Its text is given this one time. */
    async create(token: NewPersonalToken, on: Database): Promise<Secret | NotMade> {
      const { user, name, scopes, proven, madeFrom, expiresAt } = token
      const now = clock.now()
      const known = await on.selectFrom('users').select('name').where('name', '=', user).executeTakeFirst()
      if (known === undefined) return 'no-such-user'
      const valid = await on
        .selectFrom('personal_tokens')
        .select(({ fn }) => fn.countAll().as('count'))
        .where('user', '=', user)
        .where('expires_at', '>', now)
        .executeTakeFirstOrThrow()
      if (Number(valid.count) >= MOST_TOKENS) return 'too-many'
      const text = newPersonalTokenText()
      const facts = {
        ...{ user, name, scopes: formatScopes(scopes), created_at: now, expires_at: expiresAt },
        made: JSON.stringify({ proven: [...proven].sort(), madeFrom }),
      }
      const hash = hashOf(text)
      const { numInsertedOrUpdatedRows } = await on
        .insertInto('personal_tokens')
        .values({ hash, ...facts, sealed: vault.sealBytes(purposeOf(hash), sealedFacts(facts)) })
        .onConflict(conflict => conflict.columns(['user', 'name']).doNothing())
        .executeTakeFirst()
      return numInsertedOrUpdatedRows === 1n ? new Secret(text) : 'name-taken'
    },

    /** What a text stands for, whether it has expired or not; undefined where it is no token. */
    async find(text: string): Promise<PersonalToken | undefined> {
      if (!isPersonalTokenText(text)) return undefined
      // By hash: its timing says nothing about the token.
      const row = await database
        .selectFrom('personal_tokens')
        .selectAll()
        .where('hash', '=', hashOf(text))
        .executeTakeFirst()
      return row && tokenOf(row)
    },

    /** Of one user, or of all; the newest first. */
    async list(user?: string): Promise<PersonalToken[]> {
      const all = database.selectFrom('personal_tokens').selectAll().orderBy('created_at', 'desc').orderBy('name')
      const rows = await (user === undefined ? all : all.where('user', '=', user)).execute()
      return rows.map(tokenOf).filter(token => token !== undefined)
    },

    /** Those whose time is over, and those that are as old as this. */
    async listExpired(maxAgeMs: number): Promise<PersonalToken[]> {
      const now = clock.now()
      const rows = await database
        .selectFrom('personal_tokens')
        .selectAll()
        .where(({ eb, or }) => or([eb('expires_at', '<=', now), eb('created_at', '<=', now - maxAgeMs)]))
        .execute()
      return rows.map(tokenOf).filter(token => token !== undefined)
    },

    /** True the first time. */
    async noteUse({ user, name }: PersonalToken, on: Database): Promise<boolean> {
      const { numUpdatedRows } = await on
        .updateTable('personal_tokens')
        .set({ first_used_at: clock.now() })
        .where('user', '=', user)
        .where('name', '=', name)
        .where('first_used_at', 'is', null)
        .executeTakeFirst()
      return numUpdatedRows === 1n
    },

    /** False when there is none of that name. */
    async remove(user: string, name: string, on: Database): Promise<boolean> {
      const { numDeletedRows } = await on
        .deleteFrom('personal_tokens')
        .where('user', '=', user)
        .where('name', '=', name)
        .executeTakeFirst()
      return numDeletedRows === 1n
    },
  }
}

function purposeOf(hash: string): string {
  return `personal token ${hash}`
}

/** All that the row says, but for its first use: a row with anything else is another. */
function sealedFacts({ user, name, scopes, made, created_at, expires_at }: Facts): Buffer {
  return Buffer.from(JSON.stringify([user, name, scopes, made, created_at, expires_at]))
}
