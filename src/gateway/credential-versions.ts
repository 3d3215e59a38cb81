/** The versions of credentials in a gateway: restored, looked for, and deleted when nobody needs them. In the gateway's own process. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../config/config.ts'
import { deleteOldRecords } from '../rotation/old-records.ts'
import { createRestores, type Restores } from '../rotation/restore/restores.ts'
import { createVersionRetention, type VersionRetention } from '../rotation/retention.ts'
import { createRetentionTime } from '../rotation/retention-time.ts'
import type { JobHandler } from '../schedule/job.ts'
import { GatewayError } from '../shared/errors.ts'
import type { GatewayParts } from './parts.ts'
import type { ServedProtocols } from './protocols.ts'
import type { RotationParts } from './rotation-parts.ts'

export interface CredentialVersions {
  readonly restores: Restores
  readonly retention: VersionRetention
  readonly handlers: Readonly<Record<string, JobHandler>>
  /** Has old versions, and what is only remembered of rotations, deleted once a day, by one of the gateways. */
  plan(): Promise<void>
  close(): void
}

const DELETE_OLD_VERSIONS = 'delete-old-versions'
const DAY_MS = 86_400_000

export function createCredentialVersions(
  parts: GatewayParts,
  { states, journal, logins }: RotationParts,
  served: ServedProtocols,
  { vault: { probe, versions }, rotation: { keepRecords: keptMs } }: Config,
): CredentialVersions {
  const { audit, database, log, metrics, storeClock, rotationPolicies: policies, targets, vault } = parts
  const closing = new AbortController()
  const time = createRetentionTime({ database, clock: storeClock })
  const retention = createVersionRetention({
    ...{ database, vault, targets, policies, journal, states, time, audit, metrics, log },
    otherwise: versions,
  })
  return {
    retention,
    handlers: {
      [DELETE_OLD_VERSIONS]: {
        limit: 1,
        async run(_job, signal) {
          const now = await time.latest()
          await retention.round(signal)
          await deleteOldRecords({ database, audit, keptMs }, now, signal)
          await time.ended(now)
          return { again: storeClock.now() + DAY_MS }
        },
      },
    },
    async plan() {
      await time.begin()
      await parts.schedule.plan({
        ...{ kind: DELETE_OLD_VERSIONS, key: 'all' },
        ...{ dueAt: storeClock.now() + DAY_MS, jitterMs: DAY_MS / 24 },
      })
    },
    close: () => closing.abort(new GatewayError('GATEWAY_STOPPING', 'The gateway is stopping.')),
    restores: createRestores({
      ...{ audit, clock: storeClock, journal, limits: probe, logins, states, vault, served: served.of },
      inForce: parts.rotationTriggers.credentialInForce,
      pause: async (ms, signal) => void (await sleep(ms, undefined, { signal })),
      closing: closing.signal,
      count: result => metrics.versionsRestored.inc({ result }),
    }),
  }
}
