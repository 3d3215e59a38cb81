/** The users of the gateway, as documents in the store. */

import { sql } from 'kysely'
import type { Database } from '../database/database.ts'
import { createDocuments, type Documents } from '../database/documents.ts'
import { holdThoseRequests } from '../database/request-lock.ts'
import { slices } from '../database/slices.ts'
import type { Clock } from '../shared/clock.ts'
import { isoTime } from '../shared/text/iso-time.ts'
import { type User, userSchema } from './user.ts'

const PAGE = 500

export interface Users extends Documents<User> {
  /** Those who hold one of these roles, or have one of these names, so many at a time, by name. */
  holding(of: { readonly roles: readonly string[]; readonly names: readonly string[] }): AsyncIterable<User[]>
}

export function createUsers({ database, clock }: { database: Database; clock: Clock }): Users {
  const documents = createDocuments<User>('users', stored => userSchema.parse(stored), { database, clock })
  /** Takes their factors, tokens, favourites, what they asked for, decided and were to be told along, first: whoever gets the same name later must not inherit them. */
  async function removeAll(names: readonly string[]): Promise<void> {
    const pending = database.selectFrom('proposals').select('id').where('state', '=', 'pending')
    for (const table of ['factors', 'api_tokens', 'favourites', 'notification_preferences'] as const) {
      for (const some of slices(names)) await database.deleteFrom(table).where('user', 'in', some).execute()
    }
    for (const some of slices(names)) {
      await database
        .updateTable('notification_deliveries')
        .set({ dropped: 'the user was removed' })
        .where('user', 'in', some)
        .where('delivered_at', 'is', null)
        .execute()
      await holdThoseRequests(eb => eb('user', 'in', some), database)
      for (const table of ['access_requests', 'proposals'] as const)
        await database.updateTable(table).set({ withdrawn: 1 }).where('user', 'in', some).execute()
      // What they decided stays to be read, and is nobody's any more.
      await database
        .updateTable('access_decisions')
        .set(({ ref }) => ({ approver: sql`${ref('approver')} || ${` (removed ${isoTime(clock.now())})`}` }))
        .where('approver', 'in', some)
        .execute()
      await database
        .deleteFrom('proposal_decisions')
        .where('approver', 'in', some)
        .where('proposal', 'in', pending)
        .execute()
    }
    await documents.removeAll(names)
  }
  async function* holding({ roles, names }: Parameters<Users['holding']>[0]): AsyncGenerator<User[]> {
    for (let after = ''; ; ) {
      const rows = await database
        .selectFrom('users')
        .select(['name', 'document'])
        .where('name', '>', after)
        .where(({ or, eb }) =>
          or([eb('name', 'in', names.length > 0 ? names : ['']), ...roles.map(role => saysWord('document', role))]),
        )
        .orderBy('name')
        .limit(PAGE)
        .execute()
      const found = rows.map(({ document }) => documents.read(document))
      yield found.filter(({ name, roles: held }) => names.includes(name) || held.some(role => roles.includes(role)))
      if (rows.length < PAGE) return
      after = rows.at(-1)!.name
    }
  }

  return { ...documents, holding, removeAll, remove: name => removeAll([name]) }
}

/** Whether the text of a document has this word anywhere: more than those that are meant, and none less. */
function saysWord(column: string, word: string) {
  const pattern = `%${JSON.stringify(word).replace(/[\\%_]/g, '\\$&')}%`
  return sql<boolean>`${sql.ref(column)} like ${pattern} escape '\\'`
}
