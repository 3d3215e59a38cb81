/** Everything that sessions and the API stand on, put together in the order of the layers. */

import { setTimeout } from 'node:timers/promises'
import { createOutbox } from '../audit/chain/outbox.ts'
import type { AuditAppender } from '../audit/event.ts'
import { createAccountUse } from '../check-out/account-use.ts'
import { createCheckOuts } from '../check-out/check-outs.ts'
import { createReveal } from '../check-out/reveal.ts'
import { createCheckOutWatch } from '../check-out/watch.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { createRedisCluster } from '../cluster/redis.ts'
import type { Config } from '../config/config.ts'
import { readTrusted } from '../config/tls-files.ts'
import { createRefusedConnections } from '../connections/refused-connections.ts'
import { type Database, openDatabase } from '../database/database.ts'
import { createStoreGateways } from '../database/gateways.ts'
import { createStoreTime } from '../database/store-time.ts'
import { createAuthenticator } from '../identity/authenticator.ts'
import { createFactors } from '../identity/factors/factors.ts'
import { createLockout } from '../identity/lockout.ts'
import { createPersonalTokens } from '../identity/personal-tokens.ts'
import { createTokens } from '../identity/tokens.ts'
import { createUsers } from '../identity/users.ts'
import { createRoles } from '../policy/roles.ts'
import { createFolderStore } from '../recording/store/folder-store.ts'
import { createRecordings } from '../recording/store/recordings.ts'
import { createBatches } from '../rotation/batches/batches.ts'
import { createRotationPolicies } from '../rotation/policies/policies.ts'
import { createRotationTriggers } from '../rotation/triggers/triggers.ts'
import { createSchedule } from '../schedule/schedule.ts'
import { createFavourites } from '../self-service/favourites.ts'
import { createAccess } from '../session/access.ts'
import { createBroker } from '../session/broker/create-broker.ts'
import { createFollow } from '../session/live/follow.ts'
import { createLiveSessions } from '../session/live/live-sessions.ts'
import { createPersonalAccess } from '../session/personal-access.ts'
import { createPendingWrites } from '../session/records/pending-writes.ts'
import { createSessionAudit } from '../session/records/session-audit.ts'
import { createSessionChanges } from '../session/records/session-changes.ts'
import { createSessionRecords } from '../session/records/session-records.ts'
import { createSessionStore } from '../session/records/session-store.ts'
import { createMarkedRecordings } from '../session/recovery/marked-recordings.ts'
import { createReaper } from '../session/recovery/reaper.ts'
import { createRecordsRepair } from '../session/recovery/repair-records.ts'
import type { Clock } from '../shared/clock.ts'
import type { WithKeyLock } from '../shared/concurrency/keyed-mutex.ts'
import type { Signer } from '../shared/cryptography/signer.ts'
import type { Log } from '../shared/log.ts'
import { createMetrics, type Metrics } from '../shared/metrics.ts'
import { createTargets } from '../targets/targets.ts'
import type { KeyEncryptionKey } from '../vault/key-encryption-key.ts'
import { createVault } from '../vault/vault.ts'
import { planCheckOutJobs } from './check-out-jobs.ts'

export type GatewayParts<A extends AuditAppender = AuditAppender> = Awaited<ReturnType<typeof createParts<A>>>

export interface PartsOptions<A extends AuditAppender> {
  readonly config: Config
  readonly clock: Clock
  readonly log: Log
  /** The id of this gateway, or of this worker of it. */
  readonly gateway: string
  /** Of a worker, its gateway, which appends its audit events. */
  readonly auditedBy?: string
  readonly vaultKey: KeyEncryptionKey
  /** Where the configuration names no Redis. */
  readonly cluster: Cluster
  /** Runs the proofs of one user one after the other, whichever process they came to. */
  readonly withKeyLock: WithKeyLock
  /** How many a PostgreSQL store may have from here. */
  readonly storeConnections: number
  readonly openAudit: (on: { database: Database; signer: Signer; metrics: Metrics }) => Promise<A>
}

/** How long sessions that were asked to end may take until they are finalized. */
export const CLOSE_MS = 10_000

/** What was opened is on `started`, to be closed in reverse. */
export async function createParts<A extends AuditAppender>(options: PartsOptions<A>, started: AsyncDisposableStack) {
  const { config, clock, log, gateway, withKeyLock } = options
  const state = { stopping: false }
  const metrics = createMetrics()

  const database = await openDatabase(config.database, options.storeConnections)
  started.defer(() => database.destroy())
  const { redis: url } = config.cluster
  const cluster =
    url === undefined
      ? options.cluster
      : createRedisCluster({ url, ...(await redisTrust(config)), gateway, clock, log })
  started.defer(() => cluster.close())

  const targets = createTargets({ database, clock })
  const vault = await createVault({ database, key: options.vaultKey, clock, targets })
  const signer = await vault.signingKey()
  const audit = await options.openAudit({ database, signer, metrics })
  const recordingStore = createFolderStore({ folder: config.recording.folder, clock })
  const recordings = createRecordings({ recordingStore, seal: vault, signer, clock, metrics, log })

  const users = createUsers({ database, clock })
  const roles = createRoles({ database, clock })
  const rotationPolicies = createRotationPolicies({ database, clock })
  const factors = createFactors({ database, vault, clock })
  const tokens = createTokens({ database, clock, vault })
  const lockout = createLockout({
    cluster,
    rule: config.authentication.lockout,
    onLocked({ user, factor, network, tries, lockedForMs }) {
      metrics.lockouts.inc({ factor })
      const data = { user, factor, at: network ?? 'unknown sources', tries, lockedForMs }
      audit
        .append({ kind: 'user.locked', actor: 'gateway', data })
        .catch(error => log.error({ err: error, ...data }, 'a lock was not audited'))
    },
  })
  const authenticator = createAuthenticator({ database, users, vault, cluster, lockout, withKeyLock, clock })

  const sessions = createSessionStore({ database, clock, gateway })
  const sessionRecords = createSessionRecords({ database, sessions, publicKeyPem: signer.publicKeyPem })
  const access = createAccess({ roles, targets, clock, defaults: config.authentication.factors })
  const live = await createLiveSessions({ cluster, clock, log })
  started.defer(() => live.close())
  const follow = await createFollow({
    cluster,
    log,
    tap: (session, stop) => recordings.tap(session, stop),
    isLive: async session => (await sessions.get(session))?.state === 'active',
  })
  started.defer(() => follow.close())
  const outbox = createOutbox({ database, gateway: options.auditedBy ?? gateway, clock })
  const personalAccess = createPersonalAccess({
    tokens: createPersonalTokens({ database, clock, vault }),
    ...{ users, roles, outbox, audit, clock },
    defaults: config.authentication.factors,
    maxAgeMs: config.api.personalTokens.maxAgeMs,
    count: what => metrics.personalTokens.inc({ what }),
  })
  const storeTime = config.database.startsWith('sqlite:') ? undefined : createStoreTime({ database, clock })
  const schedule = createSchedule({ database, clock: storeTime ?? clock })
  const rotationTriggers = createRotationTriggers({ schedule, clock: storeTime ?? clock })
  const batches = createBatches({ database, clock: storeTime ?? clock, targets, schedule, outbox, audit })
  const leasesEnded = rotationTriggers.rotationAfterSession
  const checkOuts = await createCheckOuts({
    ...{ database, outbox, audit, access, users, vault, cluster, gateway },
    jobs: planCheckOutJobs(schedule, rotationTriggers),
    clock: storeTime ?? clock,
    count: what => metrics.checkOuts.inc({ what }),
  })
  started.defer(() => checkOuts.close())
  const checkOutWatch = createCheckOutWatch({
    ...{ live, rows: checkOuts.rows, onChange: checkOuts.onChange, log },
    clock: storeTime ?? clock,
    aheadMs: () => storeTime?.aheadMs ?? 0,
  })
  started.defer(() => checkOutWatch.close())
  const reveal = createReveal({ checkOuts, vault })
  const accountUse = createAccountUse(checkOuts)
  const changes = createSessionChanges({ outbox, audit, sessions, vault, accountUse, leasesEnded, log })
  const pendingWrites = createPendingWrites({ log })
  const sessionAudit = createSessionAudit(audit)
  const stopping = () => state.stopping
  const broker = createBroker({
    ...{ authenticator, access, targets, vault, changes, recordings, pendingWrites, sessionAudit, live, log, stopping },
    loginRefused: address =>
      rotationTriggers
        .verificationAfterRefusal(address, database)
        .catch(error => log.warn({ err: error, ...address }, 'a verification could not be planned')),
  })
  const reaper = createReaper({
    cluster,
    gateways: storeTime && createStoreGateways({ database, clock: storeTime, gateway }),
    store: sessions,
    live,
    marked: createMarkedRecordings({ recordings, store: sessions, changes, sessionRecords, audit, metrics, log }),
    changes,
    recordings,
    vault,
    recordsRepair:
      options.auditedBy === undefined
        ? createRecordsRepair({ outbox, vault, sessions, recordings, clock, log })
        : undefined,
    audit,
    pendingWrites,
    clock,
    log,
  })
  started.defer(() => reaper.close())
  const refusedConnections = createRefusedConnections({ audit, log })
  started.defer(() => refusedConnections.close())
  const pipelines = new Set<Promise<void>>()
  started.defer(async () => {
    live.abortAll('gateway-stopped')
    await Promise.race([Promise.allSettled(pipelines), setTimeout(CLOSE_MS, undefined, { ref: false })])
  })

  return {
    gateway,
    state,
    clock,
    log,
    metrics,
    database,
    cluster,
    vault,
    signer,
    audit,
    sessionAudit,
    broker,
    recordings,
    users,
    roles,
    rotationPolicies,
    targets,
    factors,
    tokens,
    personalAccess,
    lockout,
    authenticator,
    withKeyLock,
    sessions,
    sessionRecords,
    changes,
    storeTime,
    schedule,
    rotationTriggers,
    checkOuts,
    reveal,
    batches,
    access,
    live,
    favourites: createFavourites({ database, clock }),
    follow,
    pendingWrites,
    reaper,
    refusedConnections,
    /** Every connection that has named its user, until its session is finalized. */
    pipelines,
    stopping,
  }
}

async function redisTrust({ cluster }: Config): Promise<{ ca?: string }> {
  return cluster.redisCaFile === undefined ? {} : { ca: await readTrusted(cluster.redisCaFile) }
}
