/** The targets in the store. */

import type { Database } from '../database/database.ts'
import { createDocuments, type Documents } from '../database/documents.ts'
import { withdrawRequestsFor } from '../database/withdraw-requests.ts'
import type { Clock } from '../shared/clock.ts'
import { canonicalHost } from '../shared/network/canonical-host.ts'
import { type Target, targetSchema } from './target.ts'

export type Targets = Documents<Target>

export function createTargets(parts: { database: Database; clock: Clock }): Targets {
  const documents = createDocuments(
    'targets',
    stored => targetSchema.parse(stored),
    parts,
    ({ host }) => ({ server_host: canonicalHost(host) }),
  )
  async function removeAll(names: readonly string[]): Promise<void> {
    await withdrawRequestsFor('target', names, parts.database)
    await documents.removeAll(names)
  }
  return { ...documents, removeAll, remove: name => removeAll([name]) }
}
