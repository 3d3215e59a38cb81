/** What a worker has of the configuration: nothing of the store, the cluster, the vault or the audit log, whose addresses may hold passwords. */

import { type Config, settingsOf } from '../../config/config.ts'
import { protocols } from '../../protocols/registered.ts'

export interface WorkerConfig {
  readonly log: Config['log']
  readonly recording: Config['recording']
  /** Who it runs as, where that is not the gateway's own user. */
  readonly workersUser: Config['workersUser']
  /** No personal token is valid for longer. */
  readonly tokensMaxAgeMs: number
  /** Of each protocol, by its name. */
  readonly settings: Readonly<Record<string, ReturnType<typeof settingsOf>>>
}

export function workerConfig(config: Config): WorkerConfig {
  return {
    log: config.log,
    recording: config.recording,
    workersUser: config.workersUser,
    tokensMaxAgeMs: config.api.personalTokens.maxAgeMs,
    settings: Object.fromEntries(protocols().map(({ name }) => [name, settingsOf(config, name)])),
  }
}
