/** A real gateway in a throw-away folder on free ports, with helpers that enrol users and targets as an administrator would. */

import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DestinationStream } from 'pino'
import { type Config, defaultConfig } from '../../src/config/config.ts'
import { type Gateway, startGateway } from '../../src/gateway/start-gateway.ts'
import { codeOfStep, stepAt } from '../../src/identity/factors/totp.ts'
import { type UserInput, userSchema } from '../../src/identity/user.ts'
import { type RoleInput, roleSchema } from '../../src/policy/role.ts'
import { type Clock, systemClock } from '../../src/shared/clock.ts'
import { createLog } from '../../src/shared/log.ts'
import { parseAccountAddress } from '../../src/shared/names.ts'
import { Secret } from '../../src/shared/secret.ts'
import { fingerprintOf } from '../../src/targets/identity.ts'
import { type TargetInput, targetSchema } from '../../src/targets/target.ts'
import { initKeyFile } from '../../src/vault/key-provider.ts'
import type { CredentialMaterial } from '../../src/vault/lease.ts'
import { removeFolder } from './child.ts'
import { startPostgres } from './start-postgres.ts'
import { startRedis } from './start-redis.ts'

/** The machine's time, plus what a test adds. */
export class TestClock implements Clock {
  #ahead = 0

  now(): number {
    return Date.now() + this.#ahead
  }

  advance(ms: number): void {
    this.#ahead += ms
  }
}

export interface TestUser {
  readonly name: string
  readonly password: string
  readonly totpSecret: string
  /** A code that was not used before: every call moves the clock to the next time step. */
  code(): string
  /** The code of a moment, in milliseconds since the epoch. */
  codeAt(now: number): string
}

export interface TestGateway extends Gateway {
  readonly config: Config
  readonly folder: string
  readonly clock: TestClock
  /** Everything that was logged, one JSON line an event. */
  readonly logLines: string[]
  addRole(role: RoleInput): Promise<void>
  addTarget(target: TargetInput, credentials?: Record<string, CredentialMaterial>): Promise<void>
  /** Enrols a user with password and one-time codes. */
  addUser(user: UserInput): Promise<TestUser>
  /** Resolves with the session's row once it has ended. */
  ended(session: string): Promise<{ reason: string; recording: string; hash: string | null }>
  /** Ends it and removes its folder (and its store, where the pair is postgres-redis). */
  close(): Promise<void>
}

export interface TestGatewayOptions {
  /** Changes to the default configuration. */
  readonly configure?: (config: Config) => void
  /** Share what another test gateway stands on: its store, cluster, key and recordings. */
  readonly beside?: TestGateway
  readonly clock?: TestClock
  /** What moves the gateway's clock moves that of a store with one of its own by as much. */
  readonly storeMoves?: boolean
  /** Another program in the place of the worker's. */
  readonly workerProgram?: URL
}

/** `SALLYPORT_TEST_PAIR=postgres-redis` runs the suite on that pair; the default is SQLite and one process. */
export const PAIR = process.env.SALLYPORT_TEST_PAIR ?? 'sqlite-local'

export async function startTestGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  await using cleanup = new AsyncDisposableStack()
  const { beside } = options
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-gateway-'))
  cleanup.defer(() => removeFolder(folder))

  const config = defaultConfig(folder)
  config.ssh = { ...config.ssh, host: '127.0.0.1', port: 0 }
  config.postgres = { ...config.postgres, host: '127.0.0.1', port: 0 }
  config.api = { ...config.api, host: '127.0.0.1', port: 0 }
  config.shutdown = { drainMs: 0 }
  // A process of its own would have neither the clock nor the log of the test: its code runs in this one, behind the same messages.
  config.workers = 1
  if (beside !== undefined) {
    const { database, cluster, vault, recording } = beside.config
    Object.assign(config, { database, cluster, vault, recording })
  } else {
    await initKeyFile(join(folder, 'vault.key'))
    if (PAIR === 'postgres-redis') {
      const postgres = await startPostgres()
      cleanup.defer(() => postgres.stop())
      const redis = await startRedis()
      cleanup.defer(() => redis.stop())
      config.database = postgres.url()
      config.cluster.redis = redis.url
    }
  }
  options.configure?.(config)

  const clock = options.clock ?? beside?.clock ?? new TestClock()
  const logLines: string[] = []
  const destination: DestinationStream = { write: line => void logLines.push(line) }
  const gateway = await startGateway({
    ...{ config, clock, log: createLog(config.log.level, destination) },
    ...(options.storeMoves === true && { measuredBy: systemClock }),
    ...(options.workerProgram === undefined
      ? config.workers === 1 && { testWorker: 'in-this-process' as const }
      : { testWorker: options.workerProgram }),
  })
  cleanup.defer(() => gateway.stop())
  const { parts } = gateway
  const running = cleanup.move()

  return {
    ...gateway,
    config,
    folder,
    clock,
    logLines,
    addRole: role => parts.roles.put(roleSchema.parse(role)),
    async addTarget(target, credentials = {}) {
      // Targets of tests are on this machine.
      await parts.targets.put(targetSchema.parse({ allowLocal: true, ...target }))
      // As an owner who knows what they change.
      for (const { account } of await parts.vault.followTargets([target.name])) {
        const { now } = (await parts.vault.standing({ account, target: target.name }))!
        await parts.vault.confirmCredential({ account, target: target.name }, fingerprintOf(now!))
      }
      for (const [account, material] of Object.entries(credentials)) {
        await parts.vault.setCredential(parseAccountAddress(`${account}@${target.name}`)!, material, 'test')
      }
    },
    async addUser(user) {
      await parts.users.put(userSchema.parse(user))
      const password = `correct horse ${user.name}`
      await parts.factors.setPassword(user.name, new Secret(password))
      const totpSecret = (await parts.factors.enrolTotp(user.name)).secret.reveal()
      return {
        name: user.name,
        password,
        totpSecret,
        code() {
          clock.advance(30_000)
          return codeOfStep(totpSecret, stepAt(clock.now()))
        },
        codeAt: now => codeOfStep(totpSecret, stepAt(now)),
      }
    },
    async ended(session) {
      while (gateway.worker?.live.has(session)) await new Promise(resolve => setImmediate(resolve))
      const row = await parts.sessions.get(session)
      if (row?.state !== 'ended') throw new Error(`session ${session} has not ended: ${JSON.stringify(row)}`)
      return { reason: row.end_reason!, recording: row.recording, hash: row.recording_hash }
    },
    close: () => running.disposeAsync(),
  }
}
