/** A gateway's parts that rotate credentials, on a store of the test's, with real targets and the connectors that it chooses. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { createAuditLog } from '../../src/audit/audit-log.ts'
import { createOutbox } from '../../src/audit/chain/outbox.ts'
import { type Database, openDatabase } from '../../src/database/database.ts'
import { createAccountStates } from '../../src/rotation/account-states.ts'
import { createConnectors } from '../../src/rotation/connectors.ts'
import { createDependentStates } from '../../src/rotation/dependents/dependent-states.ts'
import { createDependents, type DependentProgram } from '../../src/rotation/dependents/dependents.ts'
import { planToTell, TELL_AGAIN_MS, tellAgain } from '../../src/rotation/dependents/tell-again.ts'
import { createJournal, type Rotation } from '../../src/rotation/journal.ts'
import { createLogins } from '../../src/rotation/logins.ts'
import { type RotationPolicy, rotationPolicySchema } from '../../src/rotation/policies/rotation-policy.ts'
import { createRotations, type Rotations } from '../../src/rotation/rotations.ts'
import { createVerifyAccount } from '../../src/rotation/verify-account.ts'
import { createSchedule } from '../../src/schedule/schedule.ts'
import type { Connector } from '../../src/session/connector.ts'
import type { Clock } from '../../src/shared/clock.ts'
import { newId } from '../../src/shared/ids.ts'
import { createLog } from '../../src/shared/log.ts'
import { createTargets } from '../../src/targets/targets.ts'
import { KeyEncryptionKey } from '../../src/vault/key-encryption-key.ts'
import { createVault } from '../../src/vault/vault.ts'
import { directDialer } from './direct-dialer.ts'

export interface RotationWorldOptions {
  readonly database: Database
  /** Of every protocol, or by its name. */
  readonly connectors: readonly Connector[] | ((protocol: string) => readonly Connector[])
  readonly clock?: Clock
  readonly gateway?: string
  readonly policy?: Partial<RotationPolicy>
  /** The gateways that live, beside this one. */
  readonly living?: () => readonly string[]
  /** Not given: there is none. */
  readonly pause?: (ms: number) => Promise<void>
  /** How long a connector may take. */
  readonly withinMs?: number
  /** Why open sessions were not told, or ended. */
  readonly notTold?: () => string | undefined
  readonly heldBy?: (account: string) => string | undefined
  readonly programs?: Readonly<Record<string, DependentProgram>>
}

export type RotationWorld = Awaited<ReturnType<typeof createRotationWorld>>

/** On a store in a folder of its own, which goes with the test. */
export async function rotationWorldOf(
  t: Test,
  options: Omit<RotationWorldOptions, 'database'>,
): Promise<RotationWorld> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-rotation-'))
  const database = await openDatabase(`sqlite:${join(folder, 'store.db')}`)
  const world = await createRotationWorld({ ...options, database })
  t.teardown(async () => {
    await world.rotations.close()
    await world.audit.close()
    await database.destroy()
    rmSync(folder, { recursive: true })
  })
  return world
}

export async function createRotationWorld({ database, connectors, ...options }: RotationWorldOptions) {
  const clock = options.clock ?? { now: () => Date.now() }
  const gateway = options.gateway ?? newId('gw', clock.now())
  const log = createLog('silent')
  const targets = createTargets({ database, clock })
  // Its bytes are wiped when they are taken.
  const vault = await createVault({ database, key: new KeyEncryptionKey(Buffer.alloc(32, 7)), clock, targets })
  const audit = createAuditLog({ database, signer: await vault.signingKey(), gateway, clock })
  const outbox = createOutbox({ database, gateway, clock })
  const states = createAccountStates({ database, clock })
  const journal = createJournal({ database, outbox, gateway, clock, follow: states.follow })
  const logins = createLogins({
    vault,
    targets,
    audit,
    dialTarget: target => directDialer(target),
    verifyWithinMs: options.withinMs ?? 30_000,
  })
  const policy = { ...rotationPolicySchema.parse({ name: 'all', targets: { names: ['*'] } }), ...options.policy }
  const schedule = createSchedule({ database, clock })
  const dependentStates = createDependentStates({ database, clock })
  const { programs = {} } = options
  const dependents = createDependents({ programs, states: dependentStates, outbox, log, counted: () => undefined })
  const ended: Rotation[] = []
  const told: string[] = []
  const rotations: Rotations = createRotations({
    ...{ journal, outbox, logins, vault, states, log },
    verifyAccount: createVerifyAccount({ outbox, journal, logins, states, vault, clock, log }),
    connectors: createConnectors({
      ofProtocol: name => (typeof connectors === 'function' ? connectors(name) : connectors),
      programs: [],
    }),
    policyOf: async () => policy,
    async tellDependents({ rotation, entry, candidate: { material }, later, opened }, signal) {
      const { by, candidate: version } = rotation
      const words = await dependents.tell({ entry, version, material, by, opened }, signal)
      if (words !== undefined && later) await planToTell(schedule, rotation, { by, dueAt: clock.now() + TELL_AGAIN_MS })
      return words
    },
    tellSessions: async ({ account }) => {
      told.push(account)
      return options.notTold?.()
    },
    heldBy: async ({ account }) => options.heldBy?.(account),
    living: async () => new Set([gateway, ...(options.living?.() ?? [])]),
    changeWithinMs: options.withinMs ?? 30_000,
    pause: options.pause ?? (async () => undefined),
    ended: async rotation => void ended.push(rotation),
  })
  const tellingAgain = tellAgain({ dependents, logins, vault, states })
  return {
    schedule,
    dependentStates,
    tellingAgain,
    gateway,
    database,
    clock,
    targets,
    vault,
    audit,
    states,
    journal,
    rotations,
    ended,
    told,
  }
}
