/** The targets in the store. */

import type { Database } from '../database/database.ts'
import { createDocuments, type Documents } from '../database/documents.ts'
import type { Clock } from '../shared/clock.ts'
import { type Target, targetSchema } from './target.ts'

export function createTargets(parts: { database: Database; clock: Clock }): Documents<Target> {
  return createDocuments('targets', stored => targetSchema.parse(stored), parts)
}
