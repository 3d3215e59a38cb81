/** A vault, users, factors and an authenticator on a store of their own, and short words for what tests do with them. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Cluster } from '../../src/cluster/cluster.ts'
import { createLocalCluster } from '../../src/cluster/local.ts'
import { type Database, openDatabase } from '../../src/database/database.ts'
import { type Attempt, createAuthenticator } from '../../src/identity/authenticator.ts'
import { createFactors } from '../../src/identity/factors/factors.ts'
import { createPasswords } from '../../src/identity/factors/password.ts'
import { codeOfStep, stepAt } from '../../src/identity/factors/totp.ts'
import { createLockout, type LockedOut, type LockoutRule } from '../../src/identity/lockout.ts'
import type { Proof } from '../../src/identity/proof.ts'
import type { UserInput } from '../../src/identity/user.ts'
import { userSchema } from '../../src/identity/user.ts'
import { createUsers } from '../../src/identity/users.ts'
import { type EndsBy, mintGrant } from '../../src/policy/grant.ts'
import { createKeyedMutex } from '../../src/shared/concurrency/keyed-mutex.ts'
import { isRefusal } from '../../src/shared/errors.ts'
import { Secret } from '../../src/shared/secret.ts'
import { type Target, type TargetInput, targetSchema } from '../../src/targets/target.ts'
import { createKeyProvider, initKeyFile, type KeyProvider } from '../../src/vault/key-provider.ts'
import { createVault } from '../../src/vault/vault.ts'

export interface TestClock {
  now(): number
  move(ms: number): void
}

/** A clock that stands at the middle of a step of one-time codes, until it is moved. */
export function standingClock(): TestClock {
  let now = 1_800_000_015_000
  return {
    now: () => now,
    move(ms) {
      now += ms
    },
  }
}

export function sshTarget(name: string, changes: Partial<TargetInput> = {}): Target {
  return targetSchema.parse({ protocol: 'ssh', name, host: '192.0.2.9', ...changes })
}

/** Any name is an SSH target's. */
export const anyTarget = {
  get: async (name: string) => sshTarget(name),
  getAll: async (names: readonly string[]) => names.map(name => sshTarget(name)),
}

/** A new key in a file of its own, which is gone when the test is over. */
export async function newKeyProvider(t: { teardown(handler: () => void): void }): Promise<KeyProvider> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-key-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'key')
  await initKeyFile(file)
  return createKeyProvider({ file })
}

interface Options {
  readonly database?: Database
  readonly keyProvider?: KeyProvider
  readonly cluster?: Cluster
  readonly clock?: TestClock
  /** Not given: six tries, then two seconds, so that tests need not guess often. */
  readonly rule?: LockoutRule
  readonly onLocked?: (locked: LockedOut) => void
}

/** One gateway's identity parts. Several with the same database, key and cluster are gateways of one installation. */
export async function createIdentity(t: { teardown(handler: () => unknown): void }, options: Options = {}) {
  const clock = options.clock ?? standingClock()
  const database = options.database ?? (await openDatabase('sqlite::memory:'))
  if (options.database === undefined) t.teardown(() => database.destroy())
  const cluster = options.cluster ?? createLocalCluster({ clock, gateway: 'gw_test' })
  const { load } = options.keyProvider ?? (await newKeyProvider(t))
  const vault = await createVault({ database, key: await load(), clock, targets: anyTarget })
  const users = createUsers({ database, clock })
  const factors = createFactors({ database, vault, clock })
  const rule = options.rule ?? { tries: 6, firstWaitMs: 2000, longestWaitMs: 15 * 60_000 }
  const lockout = createLockout({ cluster, rule, ...(options.onLocked && { onLocked: options.onLocked }) })
  const passwords = createPasswords()
  let hashed = 0
  const verify: typeof passwords.verify = (stored, password, ahead) => {
    hashed++
    return passwords.verify(stored, password, ahead)
  }
  const authenticator = createAuthenticator({
    database,
    users,
    vault,
    cluster,
    lockout,
    withKeyLock: createKeyedMutex(),
    clock,
    passwords: { ...passwords, verify },
  })

  const begin = async (user: string, address = '192.0.2.1'): Promise<Attempt> => {
    const attempt = await authenticator.begin(user, { address, port: 50_000 })
    if (isRefusal(attempt)) throw new Error(attempt.message)
    return attempt
  }
  return {
    clock,
    database,
    cluster,
    vault,
    users,
    factors,
    lockout,
    authenticator,
    begin,
    /** How often a password was hashed so far. */
    hashed: () => hashed,
    /** On a connection of its own: whether one proof is right. */
    async tries(user: string, proof: Proof, address?: string, rememberFactorMs = 0): Promise<boolean> {
      return (await begin(user, address)).verify(proof, { rememberFactorMs })
    },
    /** A user with a password (`open sesame` unless told) and one-time codes; `code()` is the current one. */
    async enrol(input: UserInput, password = 'open sesame') {
      await users.put(userSchema.parse(input))
      await factors.setPassword(input.name, new Secret(password))
      const { secret } = await factors.enrolTotp(input.name)
      const code = (steps = 0) => codeOfStep(secret.reveal(), stepAt(clock.now()) + steps)
      return { secret, code }
    },
  }
}

export const byPassword = (password: string): Proof => ({ kind: 'password', password: new Secret(password) })
export const byCode = (code: string): Proof => ({ kind: 'totp', answer: new Secret(code) })
export const byBoth = (text: string): Proof => ({ kind: 'password-with-code', text: new Secret(text) })

/** A code that is none of the window's. */
export function otherCode(right: (steps: number) => string): string {
  const taken = new Set([-1, 0, 1].map(right))
  for (let i = 0; ; i++) {
    const code = String(100_000 + i)
    if (!taken.has(code)) return code
  }
}

/** A grant as `policy` gives one, for an account of an SSH target. */
export function grantFor(options: {
  session?: string
  account?: string
  target?: string
  endsAt: number
  /** The target, where it is not the usual one of that name. */
  entry?: Target
  endsBy?: EndsBy
  request?: string
}) {
  const account = { name: options.account ?? 'root', level: 'admin', default: false } as const
  const target = options.entry ?? sshTarget(options.target ?? 'web-01')
  return mintGrant({
    session: options.session ?? 'ses_1',
    user: 'alice',
    target,
    account,
    role: 'operators',
    channels: new Set(['shell']),
    ends: { endsAt: options.endsAt, endsBy: options.endsBy ?? 'maximum-time' },
    ...(options.request === undefined ? {} : { request: options.request }),
    idleMs: undefined,
    recordInput: false,
    recordExecInput: true,
    execOutputLimitBytes: 0,
    recording: 'within-bound',
  })
}
