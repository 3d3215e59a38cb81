/** How an account is rotated that is under no policy: by hand alone, with what a policy says that says nothing. */

import { type RotationPolicy, rotationPolicySchema } from './policies/rotation-policy.ts'

export const defaultPolicy: RotationPolicy = rotationPolicySchema.parse({ name: 'default', targets: { names: ['*'] } })
