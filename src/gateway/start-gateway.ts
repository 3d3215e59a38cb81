/** A gateway: its ports and its API in front of the sessions. `main.ts` starts it, the demo and the integration tests too. */

import { mkdir } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname } from 'node:path'
import type { ApiParts } from '../api/parts.ts'
import { createApi } from '../api/server.ts'
import { createLocalCluster } from '../cluster/local.ts'
import { type Config, settingsOf } from '../config/config.ts'
import { createPort, type Port } from '../connections/port.ts'
import { createSources, type Sources } from '../connections/sources.ts'
import { holdAlone } from '../database/sqlite-alone.ts'
import { sqliteFile } from '../database/sqlite-file.ts'
import type { DoctorParts } from '../evidence/doctor/doctor.ts'
import { createDoctorRounds, type DoctorRounds } from '../evidence/doctor/rounds.ts'
import { type ProtocolName, protocolNames } from '../protocols/registered.ts'
import type { KnownConnector } from '../resources/unfit-policies.ts'
import type { Rotations } from '../rotation/rotations.ts'
import { createAccountStatuses } from '../rotation/status.ts'
import { createClockWatch } from '../session/recovery/clock-watch.ts'
import { type Clock, systemClock } from '../shared/clock.ts'
import { GatewayError, messageOf } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import { createLog, type Log } from '../shared/log.ts'
import { inNetworks } from '../shared/network/networks.ts'
import { version } from '../shared/version.ts'
import { createKeyProvider } from '../vault/key-provider.ts'
import { allowLocalOfEarlier } from './allow-local-of-earlier.ts'
import { apiAddress } from './api-address.ts'
import { attestationHandler } from './attest-access.ts'
import { openGatewayAudit } from './audit.ts'
import { createCredentialVersions } from './credential-versions.ts'
import { createAdministratorDialer } from './dialers.ts'
import { jobHandlers } from './job-handlers.ts'
import type { Listeners } from './listeners.ts'
import { handedKeys, ownKeysOf } from './own-keys.ts'
import { createParts, type GatewayParts } from './parts.ts'
import { lookAtPrograms } from './program-connectors.ts'
import { planPermanent } from './propose-permanent.ts'
import { connectorsOf, loadProtocols, type ServedProtocols } from './protocols.ts'
import { proveTarget } from './prove-target.ts'
import { reviewAccess } from './review-access.ts'
import { createRotationParts } from './rotation-parts.ts'
import { createGatewayRotations } from './rotations.ts'
import { gatewayCertificate, protocolCertificates } from './served-certificates.ts'
import { startSchedule } from './start-schedule.ts'
import { tellBeforeRequestsEnd } from './tell-ends-soon.ts'
import { tellOfProposals } from './tell-proposals.ts'
import { tellOfRequests } from './tell-requests.ts'
import { watchTokenExpiry } from './token-expiry.ts'
import { upgradeStore } from './upgrade-store.ts'
import { type NotificationWatch, watchNotifications } from './watch-notifications.ts'
import { forkWorker, workerInThisProcess } from './workers/worker-channel.ts'
import { workerConfig } from './workers/worker-config.ts'
import type { WorkerParts } from './workers/worker-parts.ts'
import { createWorkerPool } from './workers/worker-pool.ts'
import { workersUserOf } from './workers/workers-user.ts'

interface Address {
  readonly host: string
  readonly port: number
}

/** Where it listens, for each protocol; undefined for what is switched off. */
type Addresses = Readonly<Partial<Record<ProtocolName, Address>>>

export interface Gateway extends Addresses {
  readonly api: { socket?: string; url?: string }
  readonly parts: GatewayParts
  readonly doctorRounds: DoctorRounds
  readonly notificationWatch: NotificationWatch
  /** For tests: the worker in this process, where there is one. */
  readonly worker?: WorkerParts
  readonly rotations: Rotations
  /** Opens the audit file again: after log rotation. */
  reopen(): Promise<void>
  /**
   * No new sessions; the open ones are warned, and ended when `drainMs` (by default the configuration's) has passed. Resolves when
   * everything is closed. A second call ends the waiting.
   */
  stop(drainMs?: number): Promise<void>
}

export interface GatewayOptions {
  readonly config: Config
  readonly log?: Log
  readonly clock?: Clock
  /**
   * For tests alone, and said by no configuration: one worker whose code runs in this process, so that it has this clock and this log, or
   * another program in the place of a worker. A gateway that people use keeps the vault's key away from what reads the bytes of strangers.
   */
  readonly testWorker?: 'in-this-process' | URL
  /** For tests that move `clock`: by which the store's is measured, so that it moves with the gateway's. */
  readonly measuredBy?: Clock
}

/** Starts everything, or throws a GatewayError and leaves nothing running. */
export async function startGateway({
  config,
  clock = systemClock,
  log = createLog(config.log.level),
  testWorker,
  measuredBy,
}: GatewayOptions): Promise<Gateway> {
  await using started = new AsyncDisposableStack()
  const gateway = newId('gw', clock.now())
  await mkdir(config.dataFolder, { recursive: true, mode: 0o700 })
  started.use(holdAlone(config.database))
  const inThisProcess = testWorker === 'in-this-process'
  const workersUser = inThisProcess ? undefined : workersUserOf(config.workersUser, log)
  const size = inThisProcess ? 1 : workersOf(config)
  const workers = new Set<string>()
  const cluster = createLocalCluster({ clock, gateway, workers })
  const vaultKey = await createKeyProvider(config.vault.key).load()
  const served = await loadProtocols()
  const connectors = new Map<string, KnownConnector>([
    ...connectorsOf(served),
    ...Object.entries(config.rotation.programs),
  ])
  const parts = await createParts(
    {
      ...{ config, clock, measuredBy, log, gateway, workers, vaultKey, cluster, connectors },
      openAudit: on => openGatewayAudit({ ...on, config, gateway, clock, log }, started),
    },
    started,
  )
  const { audit, reaper, state, vault } = parts
  await upgradeStore(parts)
  await allowLocalOfEarlier(parts)
  const certificates = await protocolCertificates(parts, config)
  watchTokenExpiry(parts, started)
  const ownKeys = await ownKeysOf(parts, served)
  let worker: WorkerParts | undefined
  const listeners = await createWorkerPool(
    {
      ...{ parts, served, ownKeys, size, ids: workers },
      begin: {
        config: workerConfig(config),
        signingPublicKey: parts.signer.publicKeyPem,
        ownKeys: handedKeys(ownKeys),
        certificates,
        apiAddress: await apiAddress(parts, config),
      },
      openChannel: inThisProcess
        ? () => workerInThisProcess({ clock, log, serving: served => (worker = served) })
        : () => forkWorker(workersUser, testWorker),
    },
    started,
  )
  state.workers = listeners
  const dialTarget = createAdministratorDialer(parts, served)
  const rotationParts = createRotationParts(parts, dialTarget)
  const versions = createCredentialVersions(parts, rotationParts, served, config)
  const {
    rotations,
    handlers,
    watch: watchRotations,
  } = createGatewayRotations(parts, rotationParts, config.rotation, served, versions.retention)
  const attestation = attestationHandler(parts, rotationParts, served)
  const clockWatch = createClockWatch(parts)
  started.defer(() => clockWatch.close())
  const sources = await knownSources(parts, config, started)
  const doctor = doctorParts(parts, config)
  const doctorRounds = createDoctorRounds({ ...parts, ...config.doctor, doctor })
  started.defer(() => doctorRounds.close())
  const api = await createApi({
    ...(await apiParts(parts, config, listeners, served)),
    dialTarget,
    sources,
    doctor,
    doctorRounds,
    clockWatch,
    rotations,
    accountStatuses: createAccountStatuses({
      ...{ database: parts.database, clock: parts.storeClock },
      ...{ policies: parts.rotationPolicies, targets: parts.targets },
    }),
    restores: versions.restores,
    retention: versions.retention,
  })
  started.defer(() => api.close())
  started.defer(() => versions.close())
  const ports = protocolNames().map(protocol => {
    const port = portFor(protocol, { config, listeners, sources, pauseOnConnect: !inThisProcess, parts })
    return { protocol, port }
  })
  started.defer(() => stopAccepting())
  function stopAccepting(): void {
    for (const { port } of ports) port?.stopAccepting()
  }

  const listening: Pick<Gateway, 'api'> & { [P in ProtocolName]?: Address | undefined } = { api: await api.listen() }
  for (const { protocol, port } of ports)
    listening[protocol] = await listenOn(protocol, settingsOf(config, protocol), port)
  await audit.append({ kind: 'gateway.started', actor: 'gateway', data: { ...listening, vaultKey: vault.keyId } })
  // Only now: a second gateway that was started by mistake has failed by here, on the store, the ports or the socket.
  await reaper.round()
  await clockWatch.look().catch(error => log.warn({ err: error }, 'the clock could not be compared; trying again'))
  watchRotations(started)
  await lookAtPrograms(config.rotation.programs, log)
  await parts.rotationTriggers.planAnew(parts.database)
  startSchedule(
    parts,
    { ...jobHandlers(parts, rotations, config), ...handlers, ...versions.handlers, ...attestation },
    started,
  )
  await versions.plan()
  reviewAccess(parts, started)
  tellOfRequests(parts, started)
  tellBeforeRequestsEnd(parts, started)
  tellOfProposals(parts, started)
  planPermanent(parts, started)
  const notificationWatch = await watchNotifications(parts, config.notifications, started)
  log.info({ gateway, ...listening }, 'the gateway is ready')

  const running = started.move()
  let stopped: Promise<void> | undefined
  const hurry = new AbortController()

  async function stop(drainMs: number): Promise<void> {
    state.stopping = true
    stopAccepting()
    await parts.waitingLogins.stopped()
    await listeners.drain(drainMs, hurry.signal)
    await audit
      .append({ kind: 'gateway.stopped', actor: 'gateway' })
      .catch(error => log.error({ err: error }, 'the end was not audited'))
    await running.disposeAsync()
    log.info('the gateway has stopped')
  }

  return {
    ...listening,
    parts,
    doctorRounds,
    notificationWatch,
    rotations,
    ...(worker === undefined ? {} : { worker }),
    reopen: () => audit.reopen(),
    stop(drainMs = config.shutdown.drainMs) {
      if (stopped === undefined) stopped = stop(drainMs)
      else hurry.abort()
      return stopped
    },
  }
}

const MOST_BY_THEMSELVES = 8

/** How many processes serve sessions. */
function workersOf({ workers }: Config): number {
  return workers === 'auto' ? Math.min(availableParallelism(), MOST_BY_THEMSELVES) : workers
}

function portFor(
  protocol: ProtocolName,
  options: {
    config: Config
    listeners: Listeners
    sources: Sources
    pauseOnConnect: boolean
    parts: GatewayParts
  },
): Port | undefined {
  const { config, listeners, sources, pauseOnConnect, parts } = options
  const { enabled, host, port, maxPerSource, maxUnauthenticated, proxyProtocol } = settingsOf(config, protocol)
  if (!enabled) return undefined
  const onEvicted = () => parts.metrics.evictions.inc({ protocol })
  return createPort({
    ...{ host, port, pauseOnConnect, log: parts.log },
    limits: { maxPerSource, maxUnauthenticated },
    sources,
    onEvicted,
    isBalancer: address => inNetworks(proxyProtocol.from, address),
    handle: accepted => listeners.handle(protocol, accepted),
  })
}

/** The sessions of all gateways tell who logged in from where: before a restart, and elsewhere. */
const SOURCES_EVERY_MS = 30_000

async function knownSources(
  { metrics, sessions, clock, log }: GatewayParts,
  { sources: rules }: Config,
  started: AsyncDisposableStack,
): Promise<Sources> {
  const sources = createSources({
    rules,
    isExempt: address => inNetworks(rules.exempt, address),
    onPenalty: fault => metrics.penalties.inc({ fault }),
  })
  let since = clock.now() - rules.knownForMs
  async function learn(): Promise<void> {
    const now = clock.now()
    for (const address of await sessions.sourcesSince(since)) sources.loggedIn(address)
    // What began a moment before may be stored a moment after.
    since = now - SOURCES_EVERY_MS
  }
  await learn()
  const timer = setInterval(
    () => void learn().catch(error => log.warn({ err: error }, 'the sources of sessions could not be read')),
    SOURCES_EVERY_MS,
  ).unref()
  started.defer(() => clearInterval(timer))
  return sources
}

/** Throws `CONFIG_INVALID` where the address or the port cannot be had. */
async function listenOn(
  name: ProtocolName,
  { host, port }: Address,
  listener: Port | undefined,
): Promise<Address | undefined> {
  return listener?.listen().catch(cause => {
    throw new GatewayError('CONFIG_INVALID', `${name} cannot listen on ${host}:${port}: ${messageOf(cause)}`, { cause })
  })
}

function doctorParts({ database, clock, signer, reaper, vault }: GatewayParts, config: Config): DoctorParts {
  return {
    alteredVersions: vault.alteredVersions,
    ...{ database, clock, publicKeyPem: signer.publicKeyPem },
    folder: config.recording.folder,
    living: () => reaper.living(),
  }
}

type OwnApiParts = Omit<
  ApiParts,
  | 'sources'
  | 'doctor'
  | 'doctorRounds'
  | 'clockWatch'
  | 'dialTarget'
  | 'rotations'
  | 'accountStatuses'
  | 'restores'
  | 'retention'
>

async function apiParts(
  parts: GatewayParts,
  config: Config,
  listeners: Listeners,
  served: ServedProtocols,
): Promise<OwnApiParts> {
  const { socket, enabled, host, port, tls } = config.api
  const file = sqliteFile(config.database)
  return {
    ...parts,
    version: version(),
    listen: { socket, ...(enabled ? { tls: { host, port, ...(await gatewayCertificate(parts, config, tls)) } } : {}) },
    defaultFactors: config.authentication.factors,
    served: served.of,
    proveTarget: proof => proveTarget(served, proof),
    publicKeyPem: parts.signer.publicKeyPem,
    recordingsFolder: config.recording.folder,
    storeFolder: file && dirname(file),
    report: listeners.report,
    isBalancer: address => inNetworks(config.api.proxyProtocol.from, address),
  }
}
