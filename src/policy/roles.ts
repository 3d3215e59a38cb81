/** The roles in the store, and which of them a user holds. */

import type { Database } from '../database/database.ts'
import { createDocuments, type Documents } from '../database/documents.ts'
import { withdrawRequestsFor } from '../database/withdraw-requests.ts'
import type { Clock } from '../shared/clock.ts'
import { type Role, roleSchema } from './role.ts'

export interface Roles extends Documents<Role> {
  /** The roles that the user holds now, by name; none for an unknown or disabled user. A role that is gone is left out. */
  heldBy(user: { readonly roles: readonly string[]; readonly disabled: boolean } | undefined): Promise<Role[]>
}

export function createRoles(parts: { database: Database; clock: Clock }): Roles {
  const documents = createDocuments('roles', stored => roleSchema.parse(stored), parts)
  async function removeAll(names: readonly string[]): Promise<void> {
    await withdrawRequestsFor('role', names, parts.database)
    await documents.removeAll(names)
  }
  return {
    ...documents,
    removeAll,
    remove: name => removeAll([name]),
    async heldBy(user) {
      if (user === undefined || user.disabled) return []
      // One query whoever asks, before anything is proven: its time must not tell users from unknown names.
      return documents.getAll(user.roles)
    },
  }
}
