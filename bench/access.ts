/** A house with many: what a decision costs among 10,000 users, 10,000 targets and 1,000 roles, and how long the command line takes with them. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { createApprovedOf } from '../src/access-requests/request-rows.ts'
import { type Database, openDatabase } from '../src/database/database.ts'
import { slices } from '../src/database/slices.ts'
import { mintPrincipal } from '../src/identity/principal.ts'
import { createRoles } from '../src/policy/roles.ts'
import { createAccess } from '../src/session/access.ts'
import { systemClock } from '../src/shared/clock.ts'
import { isRefusal } from '../src/shared/errors.ts'
import { newId } from '../src/shared/ids.ts'
import { createTargets } from '../src/targets/targets.ts'
import { initKeyFile } from '../src/vault/key-provider.ts'
import { startChild } from '../test/support/child.ts'
import { startPostgres } from '../test/support/start-postgres.ts'
import { median, quantile } from './measure.ts'
import type { BenchOptions } from './options.ts'
import { revocationSeconds } from './revocation.ts'
import type { Row } from './row.ts'

const GROUP = 'Access'
const ROLES_OF_ONE = 5
const DAY_MS = 86_400_000
const clock = systemClock
const PROGRAM = fileURLToPath(new URL('../bin/sallyport', import.meta.url))

interface Size {
  readonly users: number
  readonly targets: number
  readonly roles: number
  readonly sessions: number
  /** Open ones. */
  readonly requests: number
}

const WHOLE: Size = { users: 10_000, targets: 10_000, roles: 1000, sessions: 100_000, requests: 10_000 }
const QUICK: Size = { users: 1000, targets: 1000, roles: 100, sessions: 10_000, requests: 1000 }

export async function benchAccess({ quick, folder, stack, say }: BenchOptions): Promise<Row[]> {
  const size = quick ? QUICK : WHOLE
  const server = await startPostgres()
  stack.defer(() => server.stop())
  const files = join(folder, 'resources')
  await writeResources(files, size)
  const stricter = join(folder, 'stricter')
  await writeResources(stricter, { ...size, users: 0, targets: 0 }, 'power')
  const rows: Row[] = []
  for (const [store, url] of [
    ['SQLite', `sqlite:${join(folder, 'store.db')}`],
    ['PostgreSQL', await server.createDatabase()],
  ] as const) {
    say(`${size.sessions} sessions, ${store}`)
    await fillStore(url, size)
    await using gateway = await startGateway(join(folder, store), url)
    const time = async (name: string, argv: string[], atMost: number, rounds = 3) => {
      say(`${name}, ${store}`)
      const seconds: number[] = []
      for (let round = 0; round < rounds; round++) seconds.push(await gateway.seconds(argv))
      rows.push({ ...row(`${name}, ${store}`, 's', median(seconds)), target: { atMost } })
    }
    await time('apply, all new', ['apply', '-f', files], 10, 1)
    await time('apply, no change', ['apply', '-f', files], 3)
    await time('user list', ['user', 'list'], 1)
    await time('target list', ['target', 'list'], 1)
    await time('session list', ['session', 'list'], 1)
    await time('session list --live', ['session', 'list', '--live'], 1)
    await time('simulate, all roles others', ['simulate', '-f', stricter, '--since', '31d'], 10, 1)
    await time('session list --ended', ['session', 'list', '--ended', '--limit', '1000'], 1)
    say(`decisions, ${store}`)
    const times = await decisionTimes(url, size, quick ? 500 : 5000)
    rows.push(row(`decision, p50, ${store}`, 'ms', quantile(times, 0.5)))
    rows.push({ ...row(`decision, p99, ${store}`, 'ms', quantile(times, 0.99)), target: { atMost: 5 } })
  }
  const [sessions, seconds] = await revocationSeconds({ quick, folder, stack, say })
  const name = `revocation until ${sessions} sessions on two gateways are closed`
  rows.push({ ...row(name, 's', seconds), target: { atMost: 1 } })
  return rows
}

/** As documents of a few files, none larger than one may be. */
async function writeResources(folder: string, { users, targets, roles }: Size, levels = 'basic, power'): Promise<void> {
  await mkdir(folder)
  const kinds: Record<string, [count: number, describe: (index: number) => string]> = {
    role: [
      roles,
      index =>
        `kind: role\nname: ${roleName(index)}\ntargets: { labels: { team: team-${index} } }\naccounts: { levels: [${levels}] }\nhours: { from: "00:00", to: "24:00", zone: Europe/Berlin, days: [mon, tue, wed, thu, fri, sat, sun] }\nmaxSession: 8h\nonRequest:\n  - { accounts: { levels: [admin] }, approvers: ["role:${roleName(0)}"], maxTime: 4h }\n`,
    ],
    target: [
      targets,
      index =>
        `kind: target\nname: ${targetName(index)}\nprotocol: ssh\nhost: 192.0.2.${index % 250}\nport: ${1024 + (index >> 2)}\nlabels: { env: production, team: team-${index % roles} }\naccounts:\n  - { name: deploy, default: true }\n  - { name: root, level: admin }\n`,
    ],
    user: [
      users,
      index =>
        `kind: user\nname: ${userName(index)}\nfullName: Somebody Number ${index}\nemail: ${userName(index)}@example.com\nroles: [${rolesOf(index, roles).join(', ')}]\n`,
    ],
  }
  for (const [kind, [count, describe]] of Object.entries(kinds)) {
    let part = 0
    for (const some of slices(Array.from({ length: count }, (_, index) => describe(index))))
      await writeFile(join(folder, `${kind}-${part++}.yaml`), some.join('---\n'))
  }
}

async function fillStore(url: string, { users, targets, sessions, roles, requests }: Size): Promise<void> {
  const database = await openDatabase(url)
  const now = clock.now()
  const rows = Array.from({ length: sessions }, (_, index) => {
    const startedAt = now - Math.floor(((sessions - index) / sessions) * 30 * DAY_MS)
    const target = index % targets
    const role = roleName(target % roles)
    return {
      ...{
        id: newId('ses', startedAt),
        request: null,
        gateway: 'gw_bench',
        protocol: 'ssh',
        user: userName(index % users),
        role,
      },
      ...{ account: index % 50 === 0 ? 'root' : 'deploy', target: targetName(target), source: '198.51.100.7' },
      ...{ state: 'ended', started_at: startedAt, ended_at: startedAt + 60_000, end_reason: 'client-closed' },
      ...{ recording: `${index}.rec`, recording_hash: null, recording_bytes: 0, details: '{}' },
    }
  })
  for (const some of slices(rows)) await database.insertInto('sessions').values(some).execute()
  const open = Array.from({ length: requests }, (_, index) => ({
    ...{ id: newId('req', now), kind: 'access', user: userName(index % users), state: 'pending', revision: 1 },
    ...{
      role: roleName(index % roles),
      offer: 'level admin',
      ...adminOf(targetName(index % targets)),
      extension_of: null,
    },
    ...{ asked_at: now, stage: 0, stage_since: now, expires_at: now + DAY_MS, starts_at: null, ends_at: null },
    ...{ ended_at: null, ended_by: null, words: null, withdrawn: 0, review: null, asks_more: 0 },
  }))
  for (const some of slices(open)) await database.insertInto('access_requests').values(some).execute()
  await database.destroy()
}

/** What somebody asks for there, as the store has it. */
function adminOf(target: string): { wish: string; given: string } {
  const targets = { names: [target] }
  const given = { targets, accounts: { levels: ['admin'] }, channels: ['shell'], lengthMs: 3_600_000 }
  const wish = { ...given, reason: 'INC-4711', source: '198.51.100.7', clock: 'approval' }
  return { wish: JSON.stringify(wish), given: JSON.stringify(given) }
}

/** As `sallyport start` runs it, for the command line of the same folder. */
async function startGateway(folder: string, database: string) {
  await mkdir(folder, { mode: 0o700 })
  const key = join(folder, 'vault.key')
  await initKeyFile(key)
  const config = join(folder, 'config.yaml')
  const off = { enabled: false }
  const socket = join(folder, 'api.sock')
  const settings = {
    ...{ dataFolder: folder, database, vault: { key: { file: key } }, ssh: { host: '127.0.0.1', port: 0 } },
    ...{ postgres: off, api: { enabled: false, socket } },
  }
  // JSON is YAML.
  await writeFile(config, JSON.stringify(settings))
  const child = startChild(PROGRAM, ['start', '--config', config], { folder, logFile: join(folder, 'gateway.log') })
  await child.printed(/the gateway is ready/)
  return {
    /** From the first to the last moment of the program, its answer thrown away. */
    async seconds(argv: readonly string[]): Promise<number> {
      const began = performance.now()
      const child = spawn(PROGRAM, ['--config', config, ...argv], { stdio: ['ignore', 'ignore', 'pipe'] })
      const said = text(child.stderr)
      const [exit] = await once(child, 'exit')
      // 1 is an answer too: the one that simulate gives here.
      if (exit > 1) throw new Error(`sallyport ${argv.join(' ')} ended with ${exit}: ${await said}`)
      return (performance.now() - began) / 1000
    },
    async [Symbol.asyncDispose]() {
      await child.end('SIGTERM')
    },
  }
}

/** One after the other, as logins come: what must be proven, and the decision; milliseconds of each. */
async function decisionTimes(url: string, size: Size, count: number): Promise<number[]> {
  const database: Database = await openDatabase(url)
  const parts = { database, clock }
  const defaults = [['publickey', 'totp']] as const
  const access = createAccess({
    ...{ ...parts, roles: createRoles(parts), targets: createTargets(parts), defaults },
    approvedOf: createApprovedOf({ database, clock, aheadMs: () => 0 }),
  })
  const times: number[] = []
  for (let index = 0; index < count; index++) {
    const user = (index * 7919) % size.users
    const held = rolesOf(user, size.roles)
    const principal = mintPrincipal({
      ...{ user: userName(user), roles: held, sourceAddress: '198.51.100.7' },
      proven: new Set(['publickey', 'totp'] as const),
    })
    const login = { user: principal.user, target: targetName(user % size.roles) }
    const request = { protocol: 'ssh', login, database: undefined } as const
    const began = performance.now()
    await access.requirement(held, request, principal.sourceAddress)
    const decision = await access.decide(principal, `ses_${index}`, request)
    times.push(performance.now() - began)
    if (isRefusal(decision)) throw new Error(decision.detail)
  }
  await database.destroy()
  return times
}

function row(name: string, unit: Row['unit'], value: number): Row {
  return { group: GROUP, name, unit, values: { Sallyport: value } }
}

/** The role of their own team, and a few others. */
function rolesOf(user: number, roles: number): string[] {
  return Array.from({ length: ROLES_OF_ONE }, (_, index) => roleName((user + index * 37) % roles))
}

function userName(index: number): string {
  return `user-${String(index).padStart(5, '0')}`
}

function targetName(index: number): string {
  return `host-${String(index).padStart(5, '0')}`
}

function roleName(index: number): string {
  return `team-${String(index).padStart(4, '0')}`
}
