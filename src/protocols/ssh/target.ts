/** A target that is reached by SSH. */

import type { TargetOf } from '../../targets/target.ts'

export type SshTarget = TargetOf<'ssh'>
