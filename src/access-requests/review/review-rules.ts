/** The review rules in the store. */

import type { Database } from '../../database/database.ts'
import { createDocuments, type Documents } from '../../database/documents.ts'
import type { Clock } from '../../shared/clock.ts'
import { type ReviewRule, reviewRuleSchema } from './review-rule.ts'

export type ReviewRules = Documents<ReviewRule>

export function createReviewRules(parts: { database: Database; clock: Clock }): ReviewRules {
  return createDocuments('review_rules', stored => reviewRuleSchema.parse(stored), parts)
}
