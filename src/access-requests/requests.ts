/** Access requests, put together: asking, deciding, ending, each in a file of its own. */

import type { Outbox } from '../audit/chain/outbox.ts'
import type { AuditAppender } from '../audit/event.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Database } from '../database/database.ts'
import type { Users } from '../identity/users.ts'
import type { Roles } from '../policy/roles.ts'
import type { Access } from '../session/access.ts'
import type { Clock } from '../shared/clock.ts'
import type { Targets } from '../targets/targets.ts'
import { createActs, type RequestJobs } from './act.ts'
import { createApprove } from './approve.ts'
import { createAsk } from './ask.ts'
import { createAskForMore } from './ask-for-more.ts'
import { createAttestationRows } from './attest/attestation-rows.ts'
import { createChanges } from './change.ts'
import { createDeciderCheck } from './check-decider.ts'
import { createDeny } from './deny.ts'
import { createDue } from './due.ts'
import { createEnds } from './end.ts'
import type { RequestHappening } from './events.ts'
import { createFollowOn } from './follow-on.ts'
import { createDeciding } from './may-decide.ts'
import { createNewRequests } from './new-request.ts'
import { createOfferedNow } from './offered.ts'
import type { RequestedAccess } from './request.ts'
import { createRequestRows } from './request-rows.ts'
import type { Reviewer } from './review/reviewer.ts'
import { createReviewOpen } from './review-open.ts'
import { createRequestTemplates } from './templates/request-templates.ts'
import { createAskByTemplate, createTemplates } from './templates/templates.ts'
import { createToDecide } from './to-decide.ts'
import { createUse } from './use.ts'

interface Parts {
  readonly database: Database
  readonly outbox: Outbox
  readonly audit: AuditAppender
  readonly access: Pick<Access, 'look'>
  readonly users: Pick<Users, 'get' | 'getAll' | 'holding'>
  readonly roles: Pick<Roles, 'get' | 'getAll' | 'heldBy' | 'list'>
  readonly targets: Pick<Targets, 'get' | 'getAll' | 'pages'>
  readonly cluster: Pick<Cluster, 'publish' | 'subscribe'>
  readonly jobs: RequestJobs
  /** What rests on it ends, on whichever gateway. Never rejects. */
  readonly endUses: (request: RequestedAccess) => Promise<void>
  /** The store's, where several gateways share it. */
  readonly clock: Clock
  readonly reviewer: Reviewer
  readonly count: (what: RequestHappening, request: RequestedAccess) => void
}

export type Requests = Awaited<ReturnType<typeof createRequests>>

export async function createRequests(parts: Parts) {
  const { outbox, audit, access, users, roles, targets, cluster, jobs, endUses, clock, count, reviewer } = parts
  const rows = createRequestRows(parts.database)
  const changes = await createChanges({ outbox, audit, cluster, endUses, count })
  const acts = createActs({ rows, jobs, clock })
  const offered = createOfferedNow({ roles, targets })
  const followOn = createFollowOn({ acts, clock })
  const newRequests = createNewRequests({ rows, users, offered, acts, followOn, reviewer, clock })
  const deciding = createDeciding({ rows, users, roles, clock })
  const decider = createDeciderCheck({ rows, users, audit, offered, deciding, clock })
  const stored = createRequestTemplates({ database: parts.database, clock })
  const templates = createTemplates({ stored, roles, targets, audit })
  const ends = createEnds({ rows, deciding, acts, changes, clock })
  return {
    rows,
    clock,
    ...offered,
    mayDecideOn: deciding.mayDecideOn,
    decidersAmong: deciding.decidersAmong,
    decidersOf: deciding.decidersOf,
    templates,
    ask: createAskByTemplate(templates, createAsk({ audit, access, roles, offered, newRequests, changes, clock })),
    askForMore: createAskForMore({ rows, offered, newRequests, changes, clock }),
    approve: createApprove({ rows, offered, decider, acts, followOn, changes, clock }),
    deny: createDeny({ rows, decider, acts, changes, clock }),
    cancel: ends.cancel,
    revokeAsApprover: ends.revokeAsApprover,
    revoke: ends.revoke,
    use: createUse({ rows, acts, changes, clock }),
    due: createDue({ rows, offered, acts, changes, clock }),
    review: createReviewOpen({ rows, users, roles, targets, ends }),
    reviewAgain: newRequests.reviewAgain,
    toDecide: createToDecide({ rows, users, roles, deciding }),
    attestationOf: createAttestationRows(parts.database).get,
    onTransition: changes.onTransition,
    onChange: changes.onChange,
    close: changes.close,
  }
}
