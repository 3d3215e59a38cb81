/** The users of the gateway, as documents in the store. */

import type { Database } from '../database/database.ts'
import { createDocuments, type Documents } from '../database/documents.ts'
import type { Clock } from '../shared/clock.ts'
import { type User, userSchema } from './user.ts'

export function createUsers({ database, clock }: { database: Database; clock: Clock }): Documents<User> {
  const documents = createDocuments<User>('users', stored => userSchema.parse(stored), { database, clock })
  return {
    ...documents,
    /** Takes the user's factors, tokens and favourites along, first: whoever gets the same name later must not inherit them. */
    async remove(name) {
      await database.deleteFrom('factors').where('user', '=', name).execute()
      await database.deleteFrom('api_tokens').where('user', '=', name).execute()
      await database.deleteFrom('favourites').where('user', '=', name).execute()
      await documents.remove(name)
    },
  }
}
