/** Everything that sessions and the API stand on, put together in the order of the layers. */

import { setTimeout } from 'node:timers/promises'
import { createAuditLog } from './audit/audit-log.ts'
import { type Feed, feedSinks } from './audit/feed.ts'
import { type AuditSink, createStreamSink, openFileSink } from './audit/sinks.ts'
import type { Cluster } from './cluster/cluster.ts'
import { createRedisCluster } from './cluster/redis.ts'
import type { Config } from './config/config.ts'
import { readTrusted } from './config/tls-files.ts'
import { type Database, openDatabase } from './database/database.ts'
import { createStoreGateways } from './database/gateways.ts'
import { createAuthenticator } from './identity/authenticator.ts'
import { createFactors } from './identity/factors/factors.ts'
import { createTokens } from './identity/tokens.ts'
import { createUsers } from './identity/users.ts'
import { createRoles } from './policy/roles.ts'
import { createRecordings } from './recording/recordings.ts'
import { createAccess } from './session/access.ts'
import { createFollow } from './session/follow.ts'
import { createLiveSessions } from './session/live-sessions.ts'
import { createOwedSteps } from './session/owed-steps.ts'
import { createReaper } from './session/reaper.ts'
import { createRefusedConnections } from './session/refused-connections.ts'
import { createSessionAudit } from './session/session-audit.ts'
import { createSessionStore } from './session/session-store.ts'
import type { Clock } from './shared/clock.ts'
import type { Log } from './shared/log.ts'
import { createMetrics } from './shared/metrics.ts'
import { createTargets } from './targets/targets.ts'
import type { KeyEncryptionKey } from './vault/key-encryption-key.ts'
import { createVault } from './vault/vault.ts'

export type GatewayParts = Awaited<ReturnType<typeof createParts>>

export interface PartsOptions {
  readonly config: Config
  readonly clock: Clock
  readonly log: Log
  readonly vaultKey: KeyEncryptionKey
  /** The id of this gateway, or of this worker of it. */
  readonly gateway: string
  /** Where the configuration names no Redis. */
  readonly cluster: Cluster
  /** Takes the audit events to their sinks; not given: to those of the configuration, from here. */
  readonly feed?: Feed
}

/** How long sessions that were told to end may take to close their books. */
export const CLOSE_MS = 10_000

/** What was opened is on `started`, to be closed in reverse. */
export async function createParts(options: PartsOptions, started: AsyncDisposableStack) {
  const { config, clock, log, gateway } = options
  const state = { stopping: false }
  const metrics = createMetrics()

  const database = await openDatabase(config.database)
  started.defer(() => database.destroy())
  const { redis: url } = config.cluster
  const cluster =
    url === undefined
      ? options.cluster
      : createRedisCluster({ url, ...(await redisTrust(config)), gateway, clock, log })
  started.defer(() => cluster.close())

  const vault = await createVault({ database, key: options.vaultKey, clock })
  const signer = await vault.signingKey()
  const feed = options.feed ?? (await feedFrom(database, options))
  const audit = createAuditLog({ database, signer, gateway, clock, feed })
  started.defer(() => audit.close())
  const recordings = createRecordings({ folder: config.recording.folder, seal: vault, signer, clock, metrics, log })

  const users = createUsers({ database, clock })
  const roles = createRoles({ database, clock })
  const targets = createTargets({ database, clock })
  const factors = createFactors({ database, vault, clock })
  const tokens = createTokens({ database, clock })
  const authenticator = createAuthenticator({ database, users, vault, cluster, clock })

  const sessions = createSessionStore({ database, clock, gateway })
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
  const owed = createOwedSteps({ log })
  const reaper = createReaper({
    cluster,
    gateways: config.database.startsWith('sqlite:') ? undefined : createStoreGateways({ database, clock, gateway }),
    store: sessions,
    live,
    findUnsealed: () => recordings.findUnsealed(),
    sealInterrupted: recording => recordings.sealInterrupted(recording),
    endLeases: async session => void (await vault.endLeasesOfSession(session)),
    audit,
    owed,
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
    feed,
    say: createSessionAudit(audit),
    recordings,
    users,
    roles,
    targets,
    factors,
    tokens,
    authenticator,
    sessions,
    access,
    live,
    follow,
    owed,
    reaper,
    refusedConnections,
    /** Every connection that has named its user, until its books are closed. */
    pipelines,
    stopping: () => state.stopping,
  }
}

async function feedFrom(database: Database, { config, gateway, log }: PartsOptions): Promise<Feed> {
  return feedSinks({ database, gateway, sinks: await openSinks(config), log })
}

async function openSinks({ audit }: Config): Promise<AuditSink[]> {
  const sinks: AuditSink[] = []
  if (audit.file !== undefined) sinks.push(await openFileSink(audit.file))
  if (audit.stdout) sinks.push(createStreamSink())
  return sinks
}

async function redisTrust({ cluster }: Config): Promise<{ ca?: string }> {
  return cluster.redisCaFile === undefined ? {} : { ca: await readTrusted(cluster.redisCaFile) }
}
