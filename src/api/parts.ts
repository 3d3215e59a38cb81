/** What the API is made of: the parts that `gateway/start-gateway.ts` hands over. */

import type { Foresee } from '../access-requests/foresee.ts'
import type { Calendars } from '../access-requests/on-call/calendars.ts'
import type { ApprovedThen } from '../access-requests/request-rows.ts'
import type { Requests } from '../access-requests/requests.ts'
import type { ReviewRules } from '../access-requests/review/review-rules.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import type { CheckOuts } from '../check-out/check-outs.ts'
import type { Reveal } from '../check-out/reveal.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { RefusedConnections } from '../connections/refused-connections.ts'
import type { Sources } from '../connections/sources.ts'
import type { Database } from '../database/database.ts'
import type { Documents } from '../database/documents.ts'
import type { DoctorParts } from '../evidence/doctor/doctor.ts'
import type { DoctorRounds } from '../evidence/doctor/rounds.ts'
import type { Authenticator } from '../identity/authenticator.ts'
import type { Factors } from '../identity/factors/factors.ts'
import type { Lockout } from '../identity/lockout.ts'
import type { Tokens } from '../identity/tokens.ts'
import type { User } from '../identity/user.ts'
import type { Channel } from '../notifications/channels/channel.ts'
import type { Deliveries } from '../notifications/deliveries.ts'
import type { OwnChoices } from '../notifications/own-choices.ts'
import type { Roles } from '../policy/roles.ts'
import type { Proposals } from '../proposals/proposals.ts'
import type { Recordings } from '../recording/store/recordings.ts'
import type { KnownConnectors } from '../resources/unfit-policies.ts'
import type { KnownOutside } from '../resources/unknown-calendars.ts'
import type { Batches } from '../rotation/batches/batches.ts'
import type { RotationPolicies } from '../rotation/policies/policies.ts'
import type { Restores } from '../rotation/restore/restores.ts'
import type { VersionRetention } from '../rotation/retention.ts'
import type { Rotations } from '../rotation/rotations.ts'
import type { AccountStatuses } from '../rotation/status.ts'
import type { RotationTriggers } from '../rotation/triggers/triggers.ts'
import type { Schedule } from '../schedule/schedule.ts'
import type { Access, ApprovedOf } from '../session/access.ts'
import type { Dialer } from '../session/dialer.ts'
import type { Follow } from '../session/live/follow.ts'
import type { LiveSessions } from '../session/live/live-sessions.ts'
import type { PersonalAccess } from '../session/personal-access.ts'
import type { ModeratedSessions } from '../session/records/moderated-sessions.ts'
import type { SessionRecords } from '../session/records/session-records.ts'
import type { SessionStore } from '../session/records/session-store.ts'
import type { ClockWatch } from '../session/recovery/clock-watch.ts'
import type { ServedProtocol } from '../session/served-protocol.ts'
import type { TargetProof } from '../session/target-proof.ts'
import type { Clock } from '../shared/clock.ts'
import type { Signer } from '../shared/cryptography/signer.ts'
import type { FactorLists } from '../shared/factor-lists.ts'
import type { Log } from '../shared/log.ts'
import type { Metrics, Report } from '../shared/metrics.ts'
import type { Target } from '../targets/target.ts'
import type { Targets } from '../targets/targets.ts'
import type { Vault } from '../vault/vault.ts'
import type { SessionPresence } from './session-presence.ts'

export interface ApiParts {
  readonly version: string
  readonly listen: {
    /** The path of the Unix socket. */
    readonly socket?: string
    /** PEM: key, certificate, and what clients are to trust. */
    readonly tls?: {
      readonly host: string
      readonly port: number
      readonly key: string
      readonly cert: string
      readonly trusted: string
    }
  }
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  /** What runs in this gateway, and its metrics. */
  readonly report: () => Promise<Report>
  readonly audit: AuditLog
  readonly database: Database
  readonly cluster: Cluster
  readonly tokens: Tokens
  readonly personalAccess: PersonalAccess
  readonly access: Access
  readonly approvedOf: ApprovedOf
  readonly approvedThen: ApprovedThen
  readonly authenticator: Pick<Authenticator, 'confirmCode'>
  readonly requests: Requests
  readonly foresee: Foresee
  readonly proposals: Proposals
  readonly checkOuts: CheckOuts
  readonly reveal: Reveal
  readonly users: Documents<User>
  readonly factors: Factors
  readonly lockout: Lockout
  readonly roles: Roles
  readonly reviewRules: ReviewRules
  readonly calendars: Pick<Calendars, 'states'>
  /** What review rules may ask others for. */
  readonly outside: KnownOutside
  readonly rotationPolicies: RotationPolicies
  readonly rotationTriggers: RotationTriggers
  readonly batches: Batches
  /** What can change credentials. */
  readonly connectors: KnownConnectors
  readonly targets: Targets
  /** The gateway's factor lists, for roles that name none. */
  readonly defaultFactors: FactorLists
  /** A protocol's questions to its targets. */
  readonly served: (protocol: string) => Pick<ServedProtocol, 'scanHostKeys' | 'askLogins'>
  /** Throws where the target does not prove that it is the one that was confirmed, or where that cannot be proven. */
  /** To a target, as this administrator wants it, who may read what is wrong on the way there. */
  readonly dialTarget: (target: Target, actor: string) => Dialer
  readonly proveTarget: (proof: Omit<TargetProof, 'kept'>) => Promise<void>
  readonly sessions: SessionStore
  readonly sources: Sources
  readonly refusedConnections: RefusedConnections
  /** Whether connections from there begin with a PROXY header. */
  readonly isBalancer: (address: string) => boolean
  readonly sessionRecords: SessionRecords
  readonly vault: Vault
  /** Signs recordings and audit events. */
  readonly signer: Signer
  /** This gateway's id. */
  readonly gateway: string
  /** Of the key that signs recordings and audit events. */
  readonly publicKeyPem: string
  readonly schedule: Schedule
  /** By which people and administrators are told of something. */
  readonly channels: readonly Channel[]
  readonly deliveries: Deliveries
  readonly ownChoices: OwnChoices
  readonly doctor: DoctorParts
  readonly doctorRounds: DoctorRounds
  readonly clockWatch: Pick<ClockWatch, 'state'>
  /** Settings that another gateway of the store has otherwise, and must not. */
  readonly differingSettings: () => readonly string[]
  readonly rotations: Rotations
  readonly accountStatuses: AccountStatuses
  readonly restores: Restores
  readonly retention: Pick<VersionRetention, 'apply'>
  readonly live: LiveSessions
  readonly follow: Follow
  /** Who watches which session through this API. */
  readonly presence: SessionPresence
  readonly moderatedSessions: ModeratedSessions
  readonly recordings: Recordings
  /** The folders of the recordings and of an SQLite store: readiness asks whether they can be written. */
  readonly recordingsFolder: string
  readonly storeFolder: string | undefined
  /** True from the moment the gateway drains: it is then not ready for new work. */
  readonly stopping: () => boolean
}
