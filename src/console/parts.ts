/** What the API is made of: the parts that `gateway.ts` hands over. */

import type { Audit } from '../audit/event.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Database } from '../database/database.ts'
import type { Documents } from '../database/documents.ts'
import type { User } from '../identity/user.ts'
import type { Role } from '../policy/role.ts'
import type { Follow } from '../session/follow.ts'
import type { LiveSessions } from '../session/live-sessions.ts'
import type { SessionStore } from '../session/session-store.ts'
import type { Clock } from '../shared/clock.ts'
import type { Log } from '../shared/log.ts'
import type { Metrics } from '../shared/metrics.ts'
import type { Target } from '../targets/target.ts'
import type { Tokens } from './tokens.ts'

export interface ApiParts {
  readonly version: string
  readonly listen: {
    /** The path of the Unix socket. */
    readonly socket?: string
    /** PEM key and certificate. */
    readonly tls?: { readonly host: string; readonly port: number; readonly key: string; readonly cert: string }
  }
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly audit: Audit
  readonly database: Database
  readonly cluster: Cluster
  readonly tokens: Tokens
  readonly users: Documents<User>
  readonly roles: Documents<Role>
  readonly targets: Documents<Target>
  readonly sessions: SessionStore
  readonly live: LiveSessions
  readonly follow: Follow
  /** The folder of the recordings: readiness asks whether it can be written. */
  readonly recordingsFolder: string
  /** True from the moment the gateway drains: it is then not ready for new work. */
  readonly stopping: () => boolean
}
