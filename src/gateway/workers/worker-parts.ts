/** Everything that a worker has: what relays and records sessions. It has no store, no key of the vault, and asks its gateway for all else. */

import { setTimeout } from 'node:timers/promises'
import type { SessionCluster } from '../../cluster/cluster.ts'
import { createRefusedConnections, type RefusedConnection } from '../../connections/refused-connections.ts'
import { createFolderStore } from '../../recording/store/folder-store.ts'
import { createLiveRecordings } from '../../recording/store/live-recordings.ts'
import { createFollow } from '../../session/live/follow.ts'
import { createLiveSessions } from '../../session/live/live-sessions.ts'
import { createWatchers } from '../../session/live/watchers.ts'
import type { Login } from '../../session/run-login.ts'
import type { OwnKeys } from '../../session/served-protocol.ts'
import type { Clock } from '../../shared/clock.ts'
import { isRefusal } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { createMetrics } from '../../shared/metrics.ts'
import type { Remote } from '../../shared/rpc.ts'
import { Secret } from '../../shared/secret.ts'
import { CLOSE_MS } from '../parts.ts'
import type { GatewayMethods } from './gateway-methods.ts'
import type { Begin } from './messages.ts'
import { createOwnParts } from './own-parts.ts'
import type { RemoteBroker } from './remote-broker.ts'

const MOST_SAID = 4096

export type WorkerParts = Awaited<ReturnType<typeof createWorkerParts>>

export interface WorkerPartsOptions extends RemoteBroker {
  readonly begin: Begin
  readonly remote: Remote<GatewayMethods>
  readonly cluster: SessionCluster
  readonly clock: Clock
  readonly log: Log
}

/** What was opened is on `started`, to be closed in reverse. */
export async function createWorkerParts(options: WorkerPartsOptions, started: AsyncDisposableStack) {
  const { begin, remote, broker, cluster, clock, log } = options
  const { gateway, config } = begin
  const state = { stopping: false }
  const metrics = createMetrics()
  started.defer(() => cluster.close())
  const recordings = createLiveRecordings({
    recordingStore: createFolderStore({ folder: config.recording.folder, clock }),
    keysFor: session => remote.call('recordingKeys', session),
    signer: {
      publicKeyPem: begin.signingPublicKey,
      sign: (bytes, session) => remote.call('signSeal', session, Buffer.from(bytes)),
    },
    ...{ clock, metrics, log },
  })
  const live = await createLiveSessions({ cluster, clock, log })
  started.defer(() => live.close())
  const watchers = await createWatchers({ cluster, log })
  started.defer(() => watchers.close())
  const follow = await createFollow({
    cluster,
    log,
    tap: (session, stop) => recordings.tap(session, stop),
    isLive: async () => false,
  })
  started.defer(() => follow.close())
  const refusedConnections = createRefusedConnections({
    log,
    audit: {
      append: ({ session, data }) => {
        const { protocol, source, code, why } = data as Omit<RefusedConnection, 'session'>
        const refused = { protocol, source, code, why: why.slice(0, MOST_SAID) }
        return remote.call('connectionRefused', { ...refused, ...(session === undefined ? {} : { session }) })
      },
    },
  })
  started.defer(() => refusedConnections.close())
  const pipelines = new Set<Promise<void>>()
  started.defer(async () => {
    live.abortAll('gateway-stopped')
    await Promise.race([Promise.allSettled(pipelines), setTimeout(CLOSE_MS, undefined, { ref: false })])
  })

  return {
    ...{ gateway, state, clock, log, metrics, cluster, recordings, live, watchers, broker, refusedConnections },
    knowsPublicKey: (user: string, blob: Buffer) => remote.call('knowsPublicKey', user, blob),
    async findInside(login: Login, host: string, port: number) {
      const found = await remote.call('findInside', login.id, host, port)
      if (isRefusal(found)) login.refusalNoted()
      return found
    },
    ownKeys: (protocol: string): OwnKeys => ownKeysOf(begin, protocol),
    ownParts: createOwnParts({
      ...{ gateway: remote, clock, log, metrics },
      ...{ apiAddress: begin.apiAddress, tokensMaxAgeMs: config.tokensMaxAgeMs },
    }),
    /** Every connection that has named its user, until its session is finalized. */
    pipelines,
    stopping: () => state.stopping,
  }
}

function ownKeysOf({ ownKeys }: Begin, protocol: string): OwnKeys {
  const keys = Object.entries(ownKeys[protocol] ?? {})
  return Object.fromEntries(keys.map(([name, key]) => [name, { public: key.public, secret: new Secret(key.secret) }]))
}
