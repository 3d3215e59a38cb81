/** The composition root: the one place where all parts meet. `main.ts` starts it, the demo and the integration tests too. */

import { mkdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { createAuditLog } from './audit/audit-log.ts'
import { type AuditSink, createStreamSink, openFileSink } from './audit/sinks.ts'
import type { Cluster } from './cluster/cluster.ts'
import { createLocalCluster } from './cluster/local.ts'
import { createRedisCluster } from './cluster/redis.ts'
import type { Config } from './config/config.ts'
import { readTlsCertificate, readTrusted } from './config/tls-files.ts'
import type { ApiParts } from './console/parts.ts'
import { createApi } from './console/server.ts'
import { openDatabase } from './database/database.ts'
import { createStoreGateways } from './database/gateways.ts'
import { holdAlone } from './database/sqlite-alone.ts'
import { createAuthenticator } from './identity/authenticator.ts'
import { createFactors } from './identity/factors/factors.ts'
import { createTokens } from './identity/tokens.ts'
import { createUsers } from './identity/users.ts'
import { createRoles } from './policy/roles.ts'
import { createCancellations } from './protocols/postgres/cancel.ts'
import { createPostgresListener } from './protocols/postgres/listener.ts'
import { createPostgresProtocol } from './protocols/postgres/protocol.ts'
import { generateKeyPair } from './protocols/ssh/generate-key-pair.ts'
import { createSshListener } from './protocols/ssh/listener.ts'
import { createSshProtocol } from './protocols/ssh/protocol.ts'
import { scanHostKeys } from './protocols/ssh/scan.ts'
import { nativeCryptography } from './protocols/ssh/ssh2-internals.ts'
import { createRecordings } from './recording/recordings.ts'
import { createAccess } from './session/access.ts'
import { createFollow } from './session/follow.ts'
import { createLiveSessions } from './session/live-sessions.ts'
import { createOwedSteps } from './session/owed-steps.ts'
import type { Downstream, Protocol, Upstream } from './session/protocol.ts'
import { createReaper } from './session/reaper.ts'
import { createRefusedConnections } from './session/refused-connections.ts'
import { runSession } from './session/run-session.ts'
import { createSessionAudit } from './session/session-audit.ts'
import { createSessionStore } from './session/session-store.ts'
import { type Clock, systemClock } from './shared/clock.ts'
import { GatewayError, messageOf } from './shared/errors.ts'
import { newId } from './shared/ids.ts'
import { createLog, type Log } from './shared/log.ts'
import { createMetrics } from './shared/metrics.ts'
import { Secret } from './shared/secret.ts'
import { generateTlsCertificate, issueFrom, type TlsCertificate } from './shared/tls-certificate.ts'
import { version } from './shared/version.ts'
import { createTargets } from './targets/targets.ts'
import { createKeyProvider } from './vault/key-provider.ts'
import { createVault } from './vault/vault.ts'

export interface Gateway {
  /** Where it listens; undefined for what is switched off. */
  readonly ssh: { host: string; port: number } | undefined
  readonly postgres: { host: string; port: number } | undefined
  readonly api: { socket?: string; url?: string }
  readonly parts: GatewayParts
  /** Opens the audit file again: after log rotation. */
  reopen(): Promise<void>
  /**
   * No new sessions; the open ones are warned, and ended when `drainMs` (by default the configuration's) has passed. Resolves when
   * everything is closed. A second call ends the waiting.
   */
  stop(drainMs?: number): Promise<void>
}

export type GatewayParts = Awaited<ReturnType<typeof createParts>>

export interface GatewayOptions {
  readonly config: Config
  readonly log?: Log
  readonly clock?: Clock
}

/** Starts everything, or throws a GatewayError and leaves nothing running. */
export async function startGateway({
  config,
  clock = systemClock,
  log = createLog(config.log.level),
}: GatewayOptions): Promise<Gateway> {
  await using started = new AsyncDisposableStack()
  const parts = await createParts(config, clock, log, started)
  const { audit, live, reaper, state, vault } = parts
  const ssh = config.ssh.enabled ? await createSsh(parts, config) : undefined
  const postgres = config.postgres.enabled ? await createPostgres(parts, config, started) : undefined
  const api = await createApi(await apiParts(parts, config))
  started.defer(() => api.close())
  for (const listener of [ssh, postgres]) if (listener !== undefined) started.defer(() => listener.close())

  const listening = {
    api: await api.listen(),
    ssh: await listenOn('ssh', config.ssh, ssh),
    postgres: await listenOn('postgres', config.postgres, postgres),
  }
  await audit.append({ kind: 'gateway.started', actor: 'gateway', data: { ...listening, vaultKey: vault.keyId } })
  // Only now: a second gateway that was started by mistake has failed by here, on the store, the ports or the socket.
  await reaper.round()
  log.info({ gateway: parts.gateway, ...listening }, 'the gateway is ready')

  const running = started.move()
  let stopped: Promise<void> | undefined
  const hurry = new AbortController()

  async function stop(drainMs: number): Promise<void> {
    state.stopping = true
    ssh?.stopAccepting()
    postgres?.stopAccepting()
    if (live.count > 0) {
      log.info({ sessions: live.count, drainMs }, 'waiting for the open sessions')
      live.notifyAll(`The gateway is stopping: this session ends in ${Math.ceil(drainMs / 1000)} seconds.`)
      await live.drained(drainMs, hurry.signal)
      live.abortAll('gateway-stopped')
      await live.drained(CLOSE_MS)
    }
    await audit
      .append({ kind: 'gateway.stopped', actor: 'gateway' })
      .catch(error => log.error({ err: error }, 'the end was not audited'))
    await running.disposeAsync()
    log.info('the gateway has stopped')
  }

  return {
    ...listening,
    parts,
    reopen: () => audit.reopen(),
    stop(drainMs = config.shutdown.drainMs) {
      if (stopped === undefined) stopped = stop(drainMs)
      else hurry.abort()
      return stopped
    },
  }
}

const HOST_KEY_TYPES = ['ed25519', 'ecdsa'] as const

/** How long sessions that were told to end may take to close their books. */
const CLOSE_MS = 10_000

/** Everything behind the listeners, in the order of the layers. What was opened is on `started`, to be closed in reverse. */
async function createParts(config: Config, clock: Clock, log: Log, started: AsyncDisposableStack) {
  const gateway = newId('gw', clock.now())
  const state = { stopping: false }
  const metrics = createMetrics()

  await mkdir(config.dataFolder, { recursive: true, mode: 0o700 })
  started.use(holdAlone(config.database))
  const database = await openDatabase(config.database)
  started.defer(() => database.destroy())
  const cluster: Cluster =
    config.cluster.redis === undefined
      ? createLocalCluster({ clock, gateway })
      : createRedisCluster({ url: config.cluster.redis, ...(await redisTrust(config)), gateway, clock, log })
  started.defer(() => cluster.close())

  const vault = await createVault({ database, keyProvider: createKeyProvider(config.vault.key), clock })
  const signer = await vault.signingKey()
  const audit = createAuditLog({ database, signer, gateway, clock, sinks: await openSinks(config), log })
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

async function openSinks({ audit }: Config): Promise<AuditSink[]> {
  const sinks: AuditSink[] = []
  if (audit.file !== undefined) sinks.push(await openFileSink(audit.file))
  if (audit.stdout) sinks.push(createStreamSink())
  return sinks
}

type RunDownstream = <D extends Downstream, U extends Upstream>(
  protocol: Protocol<D, U>,
  downstream: D,
  session: string,
) => Promise<void>

async function createSsh(parts: GatewayParts, config: Config) {
  const { authenticator, clock, log, metrics, refusedConnections, vault } = parts
  // ssh2 falls back without a word.
  if (!nativeCryptography)
    log.warn("ssh2's native binding is missing: SSH costs three times the CPU; mend it with scripts/bring")
  const hostKeys = await Promise.all(
    HOST_KEY_TYPES.map(
      async type => (await vault.ownKey(`ssh-host-${type}`, async () => generateKeyPair(type))).secret,
    ),
  )
  const { host, port, ...limits } = config.ssh
  return createSshListener({
    host,
    port,
    hostKeys,
    limits,
    protocol: createSshProtocol({ limits, execOutputLimitBytes: config.recording.execOutputLimitBytes, clock }),
    run: pipelineOf(parts),
    knowsPublicKey: authenticator.knowsPublicKey,
    refusedConnection: ({ address }, code, why) =>
      refusedConnections.tell({ protocol: 'ssh', source: address, code, why }),
    clock,
    log,
    metrics,
  })
}

async function createPostgres(parts: GatewayParts, config: Config, started: AsyncDisposableStack) {
  const { clock, cluster, log, metrics, refusedConnections } = parts
  const cancellations = await createCancellations({ cluster, log })
  started.defer(() => cancellations.close())
  const { host, port, allowPlaintextFromLoopback, tls, ...limits } = config.postgres
  return createPostgresListener({
    host,
    port,
    tls: await tlsCertificate(parts, config, tls),
    allowPlaintextFromLoopback,
    limits,
    protocol: createPostgresProtocol({ cancellations, log }),
    run: pipelineOf(parts),
    cancellations,
    refused: ({ source, code, session, detail }) =>
      refusedConnections.tell({ protocol: 'postgres', source, code, why: detail, session }),
    clock,
    log,
    metrics,
  })
}

async function apiParts(parts: GatewayParts, config: Config): Promise<ApiParts> {
  const { socket, enabled, host, port, tls } = config.api
  return {
    ...parts,
    version: version(),
    listen: { socket, ...(enabled ? { tls: { host, port, ...(await tlsCertificate(parts, config, tls)) } } : {}) },
    defaultFactors: config.authentication.factors,
    scanHostKeys,
    publicKeyPem: parts.signer.publicKeyPem,
    recordingsFolder: config.recording.folder,
  }
}

function pipelineOf(parts: GatewayParts): RunDownstream {
  return (protocol, downstream, session) => {
    const ended = runSession(parts, protocol, downstream, session).finally(() => parts.pipelines.delete(ended))
    parts.pipelines.add(ended)
    return ended
  }
}

/** Throws `CONFIG_INVALID` where the address or the port cannot be had. */
async function listenOn(
  name: 'ssh' | 'postgres',
  { host, port }: { host: string; port: number },
  listener: { listen(): Promise<{ host: string; port: number }> } | undefined,
): Promise<{ host: string; port: number } | undefined> {
  return listener?.listen().catch(cause => {
    throw new GatewayError('CONFIG_INVALID', `${name} cannot listen on ${host}:${port}: ${messageOf(cause)}`, { cause })
  })
}

async function redisTrust({ cluster }: Config): Promise<{ ca?: string }> {
  return cluster.redisCaFile === undefined ? {} : { ca: await readTrusted(cluster.redisCaFile) }
}

/**
 * The configured certificate, or one that the gateway issues to itself: by the CA that it made at its first start, which is what
 * clients are to trust.
 */
async function tlsCertificate(
  { vault, clock }: GatewayParts,
  { certificateNames }: Config,
  files: { keyFile: string; certificateFile: string } | undefined,
): Promise<TlsCertificate & { trusted: string }> {
  if (files !== undefined) {
    const given = await readTlsCertificate(files)
    return { ...given, trusted: given.cert }
  }
  const own = await vault.ownKey('tls', async () => {
    const made = await generateTlsCertificate(['localhost', '127.0.0.1', '::1', hostname()], clock.now())
    return { public: made.cert, secret: new Secret(made.key) }
  })
  const served = await issueFrom({ key: own.secret.reveal(), cert: own.public }, certificateNames, clock.now())
  return { ...served, trusted: own.public }
}
