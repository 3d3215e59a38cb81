/** The stores that resource files speak of, on one database or inside one of its transactions. */

import { createReviewRules } from '../access-requests/review/review-rules.ts'
import { createRequestTemplates } from '../access-requests/templates/request-templates.ts'
import type { Database } from '../database/database.ts'
import type { Documents } from '../database/documents.ts'
import { createUsers } from '../identity/users.ts'
import { createRoles } from '../policy/roles.ts'
import { createRotationPolicies } from '../rotation/policies/policies.ts'
import type { Clock } from '../shared/clock.ts'
import { createTargets } from '../targets/targets.ts'
import type { Resource, ResourceKind } from './resource.ts'

export type Stores = Record<ResourceKind, Documents<Resource['value']>>

export function openStores(parts: { database: Database; clock: Clock }): Stores {
  // What is put under a kind has been parsed by the schema of that kind: `parse.ts` is the only source.
  return {
    role: createRoles(parts) as Documents<Resource['value']>,
    target: createTargets(parts) as Documents<Resource['value']>,
    'rotation-policy': createRotationPolicies(parts) as Documents<Resource['value']>,
    'review-rule': createReviewRules(parts) as Documents<Resource['value']>,
    'request-template': createRequestTemplates(parts) as Documents<Resource['value']>,
    user: createUsers(parts) as Documents<Resource['value']>,
  }
}
