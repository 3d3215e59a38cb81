/** Everything that the gateway's own process has: the API stands on it, and the requests of the workers. In the order of the layers. */

import { createAskForAccess } from '../access-requests/ask-while-connecting.ts'
import { createForesee } from '../access-requests/foresee.ts'
import { createApprovedOf, createApprovedThen } from '../access-requests/request-rows.ts'
import { createRequests } from '../access-requests/requests.ts'
import { createReviewRules } from '../access-requests/review/review-rules.ts'
import { createReviewer } from '../access-requests/review/reviewer.ts'
import { watchEndedRequests } from '../access-requests/watch-ended.ts'

import { createSessionPresence } from '../api/session-presence.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import { createOutbox } from '../audit/chain/outbox.ts'
import { createAccountUse } from '../check-out/account-use.ts'
import { createCheckOuts } from '../check-out/check-outs.ts'
import { createReveal } from '../check-out/reveal.ts'
import { createCheckOutWatch, type WatchedSession } from '../check-out/watch.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { createRedisCluster } from '../cluster/redis.ts'
import { type Config, settingsOf } from '../config/config.ts'
import { readTrusted } from '../config/tls-files.ts'
import { createRefusedConnections } from '../connections/refused-connections.ts'
import { type Database, MOST_CONNECTIONS, openDatabase } from '../database/database.ts'
import { createStoreGateways } from '../database/gateways.ts'
import { createStoreTime } from '../database/store-time.ts'
import { createAuthenticator } from '../identity/authenticator.ts'
import { createFactors } from '../identity/factors/factors.ts'
import { createLockout } from '../identity/lockout.ts'
import { createPersonalTokens } from '../identity/personal-tokens.ts'
import { createTokens } from '../identity/tokens.ts'
import { createUsers } from '../identity/users.ts'
import { openChannels } from '../notifications/channels/open-channels.ts'
import { createDeliveries } from '../notifications/deliveries.ts'
import { createNotify } from '../notifications/notifications.ts'
import { createOwnChoices } from '../notifications/own-choices.ts'
import { createRoles } from '../policy/roles.ts'
import { createProposals } from '../proposals/proposals.ts'
import { createFolderStore } from '../recording/store/folder-store.ts'
import { createRecordings } from '../recording/store/recordings.ts'
import type { KnownConnectors } from '../resources/unfit-policies.ts'
import { createBatches } from '../rotation/batches/batches.ts'
import { changeOf } from '../rotation/journal.ts'
import { createRotationPolicies } from '../rotation/policies/policies.ts'
import { createRotationTriggers } from '../rotation/triggers/triggers.ts'
import { createSchedule } from '../schedule/schedule.ts'
import { createFavourites } from '../self-service/favourites.ts'
import { createAccess } from '../session/access.ts'
import type { BrokerParts } from '../session/broker/create-broker.ts'
import { createFollow } from '../session/live/follow.ts'
import { createLiveSessions } from '../session/live/live-sessions.ts'
import { createWatchers } from '../session/live/watchers.ts'
import { createPersonalAccess } from '../session/personal-access.ts'
import { createModeratedSessions } from '../session/records/moderated-sessions.ts'
import { createPendingWrites } from '../session/records/pending-writes.ts'
import { createSessionAudit } from '../session/records/session-audit.ts'
import { createSessionChanges } from '../session/records/session-changes.ts'
import { createSessionRecords } from '../session/records/session-records.ts'
import { createSessionStore, type SessionStore } from '../session/records/session-store.ts'
import { createMarkedRecordings } from '../session/recovery/marked-recordings.ts'
import { createReaper } from '../session/recovery/reaper.ts'
import { createRecordsRepair } from '../session/recovery/repair-records.ts'
import type { EndReason } from '../session/state.ts'
import { createWaitingLogins } from '../session/waiting-logins.ts'
import type { Clock } from '../shared/clock.ts'
import { createKeyedMutex } from '../shared/concurrency/keyed-mutex.ts'
import type { Signer } from '../shared/cryptography/signer.ts'
import type { Log } from '../shared/log.ts'
import { createMetrics, type Metrics } from '../shared/metrics.ts'
import { createTargets } from '../targets/targets.ts'
import type { KeyEncryptionKey } from '../vault/key-encryption-key.ts'
import { createVault } from '../vault/vault.ts'
import { planAttestation, planRequestJobs } from './access-request-jobs.ts'
import { planCheckOutJobs } from './check-out-jobs.ts'
import { openOutsideFacts } from './outside-facts.ts'
import { planProposalJobs } from './proposal-jobs.ts'
import { sharedSettings } from './shared-settings.ts'
import { tellModerators } from './tell-moderators.ts'

export type GatewayParts = Awaited<ReturnType<typeof createParts>>

export interface PartsOptions {
  readonly config: Config
  readonly clock: Clock
  /** By which the store's clock is measured, where tests move the other one. */
  readonly measuredBy?: Clock | undefined
  readonly log: Log
  readonly gateway: string
  /** The ids of its workers that are alive. */
  readonly workers: ReadonlySet<string>
  readonly vaultKey: KeyEncryptionKey
  /** What can change credentials. */
  readonly connectors: KnownConnectors
  /** Where the configuration names no Redis. */
  readonly cluster: Cluster
  readonly openAudit: (on: { database: Database; signer: Signer; metrics: Metrics }) => Promise<AuditLog>
}

/** The sessions of all workers. */
export interface WorkerSessions {
  all(): readonly WatchedSession[]
  /** Ends a session, whichever worker it is in. */
  endSession(session: string, reason: EndReason): void
}

/** What changes while a gateway runs. */
export interface GatewayState {
  stopping: boolean
  /** Where its sessions are, once there are workers. */
  workers: WorkerSessions | undefined
}

/** How long sessions that were asked to end may take until they are finalized. */
export const CLOSE_MS = 10_000

/** What was opened is on `started`, to be closed in reverse. */
export async function createParts(options: PartsOptions, started: AsyncDisposableStack) {
  const { config, clock, measuredBy, log, gateway, workers } = options
  const state: GatewayState = { stopping: false, workers: undefined }
  const metrics = createMetrics()

  const database = await openDatabase(config.database, MOST_CONNECTIONS)
  started.defer(() => database.destroy())
  const { redis: url } = config.cluster
  const cluster =
    url === undefined
      ? options.cluster
      : createRedisCluster({ url, ...(await redisTrust(config)), gateway, workers, clock, log })
  started.defer(() => cluster.close())

  const storeTime = config.database.startsWith('sqlite:') ? undefined : createStoreTime({ database, clock, measuredBy })
  await storeTime?.measure()
  const storeClock: Clock = storeTime ?? clock
  const targets = createTargets({ database, clock })
  const vault = await createVault({ database, key: options.vaultKey, clock, storeClock, targets })
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
  // The proofs of one user are verified one after the other, whichever worker they came to.
  const withKeyLock = createKeyedMutex()
  const authenticator = createAuthenticator({ database, users, vault, cluster, lockout, withKeyLock, clock })

  const sessions = createSessionStore({ database, clock, gateway })
  const sessionRecords = createSessionRecords({ database, sessions, publicKeyPem: signer.publicKeyPem })
  const live = await createLiveSessions({ cluster, clock, log })
  started.defer(() => live.close())
  const watchers = await createWatchers({ cluster, log })
  started.defer(() => watchers.close())
  const moderatedSessions = createModeratedSessions({ database, clock, gateway })
  const presence = await createSessionPresence({ watchers, cluster, log })
  started.defer(() => presence.close())
  const follow = await createFollow({
    cluster,
    log,
    tap: (session, stop) => recordings.tap(session, stop),
    isLive: async session => (await sessions.get(session))?.state === 'active',
  })
  started.defer(() => follow.close())
  const outbox = createOutbox({ database, gateway, clock })
  const personalAccess = createPersonalAccess({
    tokens: createPersonalTokens({ database, clock, vault }),
    ...{ users, roles, outbox, audit, clock },
    defaults: config.authentication.factors,
    maxAgeMs: config.api.personalTokens.maxAgeMs,
    count: what => metrics.personalTokens.inc({ what }),
  })
  const approvedOf = createApprovedOf({
    database,
    clock: storeClock,
    aheadMs: () => storeTime?.aheadMs ?? 0,
    steady: clock,
  })
  const access = createAccess({ roles, targets, approvedOf, clock, defaults: config.authentication.factors })
  const schedule = createSchedule({ database, clock: storeClock })
  const channels = await openChannels(config.notifications, clock)
  const notify = createNotify({ database, schedule, clock: storeClock, channels })
  const rotationTriggers = createRotationTriggers({ schedule, clock: storeClock })
  const batches = createBatches({ database, clock: storeClock, targets, schedule, outbox, audit })
  const leasesEnded = rotationTriggers.rotationAfterSession
  const inWorkers = { all: () => state.workers?.all() ?? [] }
  const reviewRules = createReviewRules({ database, clock })
  const outside = await openOutsideFacts({ config, audit, metrics, log, clock: storeClock })
  started.defer(() => outside.calendars.close())
  const reviewer = createReviewer({
    ...{ database, clock: storeClock, sessions, users, ...outside },
    failed: error => log.error({ err: error }, 'the review rules could not be evaluated: people are asked'),
  })
  const requests = await createRequests({
    ...{ database, outbox, audit, access, users, roles, targets, cluster },
    jobs: planRequestJobs(schedule),
    reviewer,
    async endUses({ id, user }) {
      const failed = (error: unknown) => log.error({ err: error, request: id }, 'what rests on a request may go on')
      await live.requestEnded(id).catch(failed)
      await checkOuts.reviewOf(user).catch(failed)
    },
    clock: storeClock,
    count(what, { review }) {
      metrics.accessRequests.inc({ what })
      if (what === 'asked' && review !== undefined)
        metrics.accessReviews.inc({ outcome: review.outcome, rule: review.rule ?? 'none' })
    },
  })
  started.defer(() => requests.close())
  requests.onTransition(planAttestation({ schedule, clock: storeClock }))
  const useRequest = requests.use
  const askForAccess = createAskForAccess({ requests, longestMs: config.waiting.longestMs, log })
  const approvedThen = createApprovedThen({ database })
  const proposals = createProposals({
    ...{ database, audit, users, tokens, sessions, approvedThen, vault, live, rotationTriggers },
    ...{ fourEyes: config.fourEyes, connectors: options.connectors, defaults: config.authentication.factors },
    jobs: planProposalJobs(schedule),
    clock: storeClock,
    count: what => metrics.proposals.inc({ what }),
  })
  const checkOuts = await createCheckOuts({
    ...{ database, outbox, audit, access, users, targets, vault, cluster, useRequest, gateway },
    jobs: planCheckOutJobs(schedule, rotationTriggers),
    changeOf,
    clock: storeClock,
    count: what => metrics.checkOuts.inc({ what }),
  })
  started.defer(() => checkOuts.close())
  const checkOutWatch = createCheckOutWatch({
    ...{ live: inWorkers, rows: checkOuts.rows, onChange: checkOuts.onChange, log },
    clock: storeClock,
    aheadMs: () => storeTime?.aheadMs ?? 0,
  })
  started.defer(() => checkOutWatch.close())
  const endedRequests = watchEndedRequests({ live: inWorkers, rows: requests.rows, log })
  started.defer(() => endedRequests.close())
  const reveal = createReveal({ checkOuts, vault })
  const accountUse = createAccountUse(checkOuts)
  /** Of sessions that this store opens: their rows say where they are. */
  const changesIn = (store: SessionStore) =>
    createSessionChanges({ outbox, audit, sessions: store, vault, accountUse, useRequest, leasesEnded, log })
  const changes = changesIn(sessions)
  const pendingWrites = createPendingWrites({ log })
  const sessionAudit = createSessionAudit(audit)
  const stopping = () => state.stopping
  const waitingLogins = createWaitingLogins({
    ...{ ...config.waiting, stopping },
    waiting: count => metrics.waitingLogins.set(count),
  })
  const loginRefused: BrokerParts['loginRefused'] = address =>
    rotationTriggers
      .verificationAfterRefusal(address, database)
      .catch(error => log.warn({ err: error, ...address }, 'a verification could not be planned'))
  const maxTries: BrokerParts['maxTries'] = protocol => settingsOf(config, protocol).maxAuthTries ?? 1
  const settings = sharedSettings(config)
  const gateways =
    storeTime &&
    createStoreGateways({
      ...{ database, clock: storeTime, gateway, workers },
      settings,
      differs(names) {
        for (const setting of Object.keys(settings))
          metrics.settingsDiffer.set({ setting }, names.includes(setting) ? 1 : 0)
        if (names.length === 0) log.info('all gateways of the store have the same settings again')
        else
          log.warn({ settings: names }, 'another gateway of this store has these settings otherwise: make them alike')
      },
    })
  const reaper = createReaper({
    cluster,
    gateways,
    store: sessions,
    moderated: moderatedSessions,
    live: {
      ids: () => inWorkers.all().map(({ grant }) => grant.session),
      end: (session, reason) => state.workers?.endSession(session, reason),
    },
    marked: createMarkedRecordings({ recordings, store: sessions, changes, sessionRecords, audit, metrics, log }),
    changes,
    recordings,
    vault,
    recordsRepair: createRecordsRepair({ outbox, vault, sessions, recordings, clock, log }),
    audit,
    pendingWrites,
    clock,
    log,
  })
  started.defer(() => reaper.close())
  const refusedConnections = createRefusedConnections({ audit, log })
  started.defer(() => refusedConnections.close())

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
    changesIn,
    loginRefused,
    maxTries,
    recordings,
    users,
    roles,
    reviewRules,
    rotationPolicies,
    targets,
    factors,
    tokens,
    personalAccess,
    lockout,
    authenticator,
    sessions,
    sessionRecords,
    changes,
    storeTime,
    /** By which gateways that share the store agree on times. */
    storeClock,
    outbox,
    schedule,
    /** By which people and administrators are told of something. */
    channels,
    notify,
    deliveries: createDeliveries({ database, schedule, clock: storeClock }),
    ownChoices: createOwnChoices({ database, audit, notify, channels }),
    rotationTriggers,
    requests,
    askForAccess,
    waitingLogins,
    calendars: outside.calendars,
    outside: { calendars: Object.keys(config.calendars), ticketCheck: config.ticketCheck !== undefined },
    foresee: createForesee({ users, reviewRules, reviewer, clock: storeClock }),
    proposals,
    checkOuts,
    reveal,
    batches,
    access,
    approvedOf,
    approvedThen,
    connectors: options.connectors,
    live,
    favourites: createFavourites({ database, clock }),
    follow,
    watchers,
    presence,
    moderatedSessions,
    moderatorWanted: tellModerators({ users, notify, channels, log }),
    pendingWrites,
    reaper,
    refusedConnections,
    /** Tells the others that this gateway and its workers are alive. */
    beat: async () => gateways?.beat(),
    /** Settings that another gateway of the store has otherwise, and must not. */
    differingSettings: () => gateways?.differing ?? [],
    stopping,
  }
}

async function redisTrust({ cluster }: Config): Promise<{ ca?: string }> {
  return cluster.redisCaFile === undefined ? {} : { ca: await readTrusted(cluster.redisCaFile) }
}
