/** What resource files describe: roles, targets, rotation policies, review rules, request templates and users. */

import type { ReviewRule } from '../access-requests/review/review-rule.ts'
import type { RequestTemplate } from '../access-requests/templates/request-template.ts'
import type { User } from '../identity/user.ts'
import type { Role } from '../policy/role.ts'
import type { RotationPolicy } from '../rotation/policies/rotation-policy.ts'
import type { Target } from '../targets/target.ts'

export type Resource =
  | { readonly kind: 'role'; readonly value: Role }
  | { readonly kind: 'target'; readonly value: Target }
  | { readonly kind: 'rotation-policy'; readonly value: RotationPolicy }
  | { readonly kind: 'review-rule'; readonly value: ReviewRule }
  | { readonly kind: 'request-template'; readonly value: RequestTemplate }
  | { readonly kind: 'user'; readonly value: User }

export type ResourceKind = Resource['kind']

/** In the order in which they are applied: what is named comes before those who name it. */
export const RESOURCE_KINDS = [
  'role',
  'target',
  'rotation-policy',
  'review-rule',
  'request-template',
  'user',
] as const satisfies readonly ResourceKind[]

/** As people say it, and no other has: `role ops`. */
export function nameOf(kind: ResourceKind, name: string): string {
  return `${kind} ${name}`
}
