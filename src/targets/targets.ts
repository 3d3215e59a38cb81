/** The targets in the store. */

import type { Database } from '../database/database.ts'
import { createDocuments, type Documents } from '../database/documents.ts'
import type { Clock } from '../shared/clock.ts'
import { canonicalHost } from '../shared/network/canonical-host.ts'
import { type Target, targetSchema } from './target.ts'

export type Targets = Documents<Target>

export function createTargets(parts: { database: Database; clock: Clock }): Targets {
  return createDocuments(
    'targets',
    stored => targetSchema.parse(stored),
    parts,
    ({ host }) => ({ server_host: canonicalHost(host) }),
  )
}
