/** The users of the gateway, as documents in the store. */

import type { Database } from '../database/database.ts'
import { createDocuments, type Documents } from '../database/documents.ts'
import { slices } from '../database/slices.ts'
import type { Clock } from '../shared/clock.ts'
import { type User, userSchema } from './user.ts'

export function createUsers({ database, clock }: { database: Database; clock: Clock }): Documents<User> {
  const documents = createDocuments<User>('users', stored => userSchema.parse(stored), { database, clock })
  /** Takes their factors, tokens, favourites, what they asked for and were to be told along, first: whoever gets the same name later must not inherit them. */
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
      for (const table of ['access_requests', 'proposals'] as const)
        await database.updateTable(table).set({ withdrawn: 1 }).where('user', 'in', some).execute()
      await database
        .deleteFrom('proposal_decisions')
        .where('approver', 'in', some)
        .where('proposal', 'in', pending)
        .execute()
    }
    await documents.removeAll(names)
  }
  return { ...documents, removeAll, remove: name => removeAll([name]) }
}
