/** A target that is reached by PostgreSQL. */

import type { TargetOf } from '../../targets/target.ts'

export type PostgresTarget = TargetOf<'postgres'>
