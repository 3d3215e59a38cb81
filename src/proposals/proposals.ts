/** Proposals, put together: making, deciding, ending, each in a file of its own. */

import type { AuditLog } from '../audit/audit-log.ts'
import type { FourEyes } from '../config/four-eyes.ts'
import type { Tokens } from '../identity/tokens.ts'
import type { User } from '../identity/user.ts'
import type { FollowParts } from '../resources/apply-and-follow.ts'
import type { Plan } from '../resources/plan.ts'
import type { SimulateParts } from '../resources/simulate.ts'
import { createApprove } from './approve.ts'
import { createCarryOut } from './carry-out.ts'
import { createChanges } from './change.ts'
import { createDeciderCheck } from './check-decider.ts'
import { createDecideAsAdministrator } from './decide-as-administrator.ts'
import { createDeny } from './deny.ts'
import { createEnds } from './end.ts'
import type { ProposalHappening } from './events.ts'
import { createMake, type ProposalJobs } from './make.ts'
import { createDeciding } from './may-decide.ts'
import { createProposalRows } from './proposal-rows.ts'
import { createStanding } from './standing.ts'

interface Parts extends FollowParts, Omit<SimulateParts, 'stores'> {
  readonly audit: AuditLog
  readonly tokens: Pick<Tokens, 'list'>
  readonly fourEyes: FourEyes | undefined
  readonly jobs: ProposalJobs
  readonly count: (what: ProposalHappening) => void
}

export type Proposals = ReturnType<typeof createProposals>

export function createProposals(parts: Parts) {
  const { database, audit, clock, fourEyes, count } = parts
  const rows = createProposalRows(database)
  const standing = createStanding(parts)
  const changes = createChanges({ rows, audit, count })
  const deciding = createDeciding({ rows, standing, fourEyes, clock })
  const checkDecider = createDeciderCheck({ rows, standing, deciding, audit })
  const carryOut = createCarryOut({ ...parts, standing, changes })
  const ends = createEnds({ rows, changes, clock })
  return {
    rows,
    fourEyes,
    mayDecide: deciding.mayDecide,
    isApprover: deciding.isApprover,
    toDecide: deciding.toDecide,
    decidersOf: deciding.decidersOf,
    make: createMake({ ...parts, rows, standing, changes }),
    approve: createApprove({ rows, standing, deciding, checkDecider, changes, carryOut, clock }),
    deny: createDeny({ rows, deciding, checkDecider, changes, clock }),
    decideAsAdministrator: createDecideAsAdministrator({ rows, standing, changes, carryOut, fourEyes, clock }),
    withdraw: ends.withdraw,
    expire: ends.expire,
    onChange: changes.onChange,

    /** Whether that change is one for two. */
    needsTwo: ({ changes }: Pick<Plan, 'changes'>): boolean =>
      fourEyes !== undefined && changes.some(({ kind }) => fourEyes.kinds.includes(kind)),

    /** As they are now. */
    userOf: async (name: string): Promise<User | undefined> => (await standing.users([name]))[0],
  }
}
