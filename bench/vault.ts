/** The vault: what a lease costs among 100,000 credentials, how many rotations a minute there are, and how long `credential status` and `checkout list` take. */

import { join } from 'node:path'
import { type Database, openDatabase } from '../src/database/database.ts'
import { loadProtocols } from '../src/gateway/protocols.ts'
import { createRotationPolicies } from '../src/rotation/policies/policies.ts'
import { createAccountStatuses } from '../src/rotation/status.ts'
import { systemClock } from '../src/shared/clock.ts'
import { isRefusal } from '../src/shared/errors.ts'
import { type AccountAddress, parseAccountAddress } from '../src/shared/names.ts'
import { Secret } from '../src/shared/secret.ts'
import { targetSchema } from '../src/targets/target.ts'
import { KeyEncryptionKey } from '../src/vault/key-encryption-key.ts'
import { createVault } from '../src/vault/vault.ts'
import { anyTarget, grantFor } from '../test/support/identity-parts.ts'
import { createRotationWorld } from '../test/support/rotation-parts.ts'
import { startLinuxHost, whyNoLinuxHost } from '../test/support/start-linux-host.ts'
import { startPostgres } from '../test/support/start-postgres.ts'
import { checkOutListSeconds } from './check-outs.ts'
import { quantile } from './measure.ts'
import type { BenchOptions } from './options.ts'
import { rotationsDue } from './rotations-due.ts'
import type { Row } from './row.ts'

const GROUP = 'Vault'
const CREDENTIALS = 100_000
/** That open; the others are only there. */
const OPENED = 500
const ACCOUNTS = 8
const clock = systemClock

export async function benchVault({ quick, folder, stack, say }: BenchOptions): Promise<Row[]> {
  const server = await startPostgres()
  stack.defer(() => server.stop())
  const rows: Row[] = []
  for (const [name, url] of [
    ['SQLite', `sqlite:${join(folder, 'store.db')}`],
    ['PostgreSQL', await server.createDatabase()],
  ] as const) {
    const database = await openDatabase(url)
    stack.defer(() => database.destroy())
    say(`a lease among ${CREDENTIALS} credentials, ${name}`)
    const times = await leaseTimes(database, quick ? 500 : 5000)
    rows.push(row(`vault.lease, p50, ${name}`, 'ms', quantile(times, 0.5)))
    rows.push({ ...row(`vault.lease, p99, ${name}`, 'ms', quantile(times, 0.99)), target: { atMost: 5 } })
    say(`credential status, ${name}`)
    rows.push({ ...row(`credential status, ${name}`, 's', await statusSeconds(database)), target: { atMost: 1 } })
    say(`checkout list, ${name}`)
    const { everybodys, own } = await checkOutListSeconds(database)
    rows.push({ ...row(`checkout list, everybody's, ${name}`, 's', everybodys), target: { atMost: 1 } })
    rows.push({ ...row(`checkout list, one's own, ${name}`, 's', own), target: { atMost: 1 } })
  }
  say(`rotations, ${ACCOUNTS} accounts at once`)
  rows.push(...(await rotations(join(folder, 'rotations.db'), server, quick ? 10_000 : 30_000, stack)))
  for (const due of await rotationsDue(server, { quick, folder: join(folder, 'due'), stack, say }))
    rows.push({ group: GROUP, ...due })
  return rows
}

/** One after the other, as logins come: milliseconds of each. */
async function leaseTimes(database: Database, count: number): Promise<number[]> {
  const vault = await createVault({ database, key: key(), clock, targets: anyTarget })
  for (let index = 0; index < OPENED; index++) {
    const address = { account: 'root', target: nameOf(index * (CREDENTIALS / OPENED)) }
    await vault.setCredential(address, { kind: 'password', password: new Secret('a password of the bench') }, 'bench')
  }
  await fill(database)
  const times: number[] = []
  for (let index = 0; index < count; index++) {
    const target = nameOf((index % OPENED) * (CREDENTIALS / OPENED))
    const began = performance.now()
    const promised = await vault.lease(grantFor({ target, endsAt: clock.now() + 3_600_000 }))
    const lease = isRefusal(promised) ? promised : promised.open()
    times.push(performance.now() - began)
    if (isRefusal(lease)) throw new Error(lease.detail)
    lease.erase()
  }
  return times
}

/** Credentials that nobody opens, and that the store has to look past. */
async function fill(database: Database): Promise<void> {
  const first = { account: 'root', target: nameOf(0) }
  const of = (table: 'credentials' | 'credential_bindings') =>
    database.selectFrom(table).selectAll().where('account', '=', first.account).where('target', '=', first.target)
  const version = (await of('credentials').executeTakeFirstOrThrow()) as never as AccountAddress
  const binding = (await of('credential_bindings').executeTakeFirstOrThrow()) as never as AccountAddress
  for (let at = 0; at < CREDENTIALS; at += 500) {
    const names = Array.from({ length: 500 }, (_, index) => at + index)
      .filter(index => index % (CREDENTIALS / OPENED) !== 0)
      .map(nameOf)
    const copies = (row: AccountAddress) => names.map(target => ({ ...row, target })) as never
    await database.insertInto('credentials').values(copies(version)).execute()
    await database.insertInto('credential_bindings').values(copies(binding)).execute()
  }
}

async function statusSeconds(database: Database): Promise<number> {
  const policies = createRotationPolicies({ database, clock })
  const statuses = createAccountStatuses({ database, clock, policies, targets: anyTarget })
  const times: number[] = []
  for (let round = 0; round < 5; round++) {
    const began = performance.now()
    await Promise.all([
      statuses.counts(),
      statuses.list({ conditions: ['overdue', 'failed', 'unknown', 'open'], limit: 100 }),
    ])
    times.push((performance.now() - began) / 1000)
  }
  return quantile(times, 0.5)
}

/** A minute's worth of each kind, with a journal on SQLite; the targets are on this machine, and take their part of it. */
async function rotations(
  file: string,
  server: Awaited<ReturnType<typeof startPostgres>>,
  forMs: number,
  stack: AsyncDisposableStack,
): Promise<Row[]> {
  const numbers = Array.from({ length: ACCOUNTS }, (_, index) => index + 1)
  const database = await openDatabase(`sqlite:${file}`)
  stack.defer(() => database.destroy())
  const served = await loadProtocols()
  const world = await createRotationWorld({ database, connectors: name => served.of(name).connectors ?? [] })
  const { host, port } = server
  await world.targets.put(
    targetSchema.parse({
      ...{ name: 'orders', protocol: 'postgres', host, port, tls: 'disable', database: 'postgres', allowLocal: true },
      accounts: numbers.map(number => ({ name: `app${number}` })),
    }),
  )
  await server.psql(numbers.map(number => `create role app${number} login password 'the first'`).join(';'))
  const kinds: [string, string[]][] = [['PostgreSQL', numbers.map(number => `app${number}@orders`)]]
  if (whyNoLinuxHost() === undefined) {
    const linux = await startLinuxHost({
      accounts: numbers.map(number => ({ name: `deploy${number}`, password: 'the first' })),
    })
    stack.defer(() => linux.stop())
    await world.targets.put(linux.target)
    kinds.push(['SSH password', numbers.map(number => `deploy${number}@web-01`)])
  }
  const rows: Row[] = []
  for (const [kind, names] of kinds) {
    const addresses = names.map(name => parseAccountAddress(name)!)
    for (const address of addresses)
      await world.vault.setCredential(address, { kind: 'password', password: new Secret('the first') }, 'bench')
    let rotated = 0
    const began = performance.now()
    await Promise.all(
      addresses.map(async address => {
        while (performance.now() - began < forMs) {
          const outcome = await world.rotations.rotate(address, { trigger: 'by-hand', by: 'bench' })
          if (outcome.result !== 'rotated') throw new Error(JSON.stringify(outcome))
          rotated++
        }
      }),
    )
    rows.push(row(`rotations, ${kind}`, '/min', (rotated / (performance.now() - began)) * 60_000))
  }
  await world.rotations.close()
  await world.audit.close()
  return rows
}

function row(name: string, unit: Row['unit'], value: number): Row {
  return { group: GROUP, name, unit, values: { Sallyport: value } }
}

/** Its bytes are wiped when they are taken. */
function key(): KeyEncryptionKey {
  return new KeyEncryptionKey(Buffer.alloc(32, 7))
}

function nameOf(index: number): string {
  return `host-${String(index).padStart(6, '0')}`
}
