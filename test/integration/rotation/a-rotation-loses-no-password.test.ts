/**
 * A rotation that is killed at any step, whose target lies, is cut or does not answer, and that two gateways begin at once: never is a
 * password in force that the vault does not hold, and what it lends logs in. Against a real PostgreSQL.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { type Database, openDatabase } from '../../../src/database/database.ts'
import { postgresRole } from '../../../src/protocols/postgres/rotation/connector.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { targetSchema } from '../../../src/targets/target.ts'
import { eraseMaterial } from '../../../src/vault/lease.ts'
import { directDialer } from '../../support/direct-dialer.ts'
import { createRotationWorld, type RotationWorld, type RotationWorldOptions } from '../../support/rotation-parts.ts'
import { startPostgres } from '../../support/start-postgres.ts'

const folder = mkdtempSync(join(tmpdir(), 'sallyport-rotation-'))
t.teardown(() => rmSync(folder, { recursive: true }))
const server = await startPostgres()
t.teardown(() => server.stop())

let accounts = 0

/** A role of its own, on a store of its own. */
async function newPlace() {
  const account = `app${++accounts}`
  const first = `first password of ${account}`
  await server.psql(`create role ${account} login password '${first}'`)
  const url = `sqlite:${join(folder, `${account}.db`)}`
  const address = { account, target: 'orders' }
  await inWorld(url, { connectors: [postgresRole] }, async ({ targets, vault }) => {
    const { host, port } = server
    await targets.put(
      targetSchema.parse({
        ...{ name: 'orders', protocol: 'postgres', host, port, tls: 'disable', database: 'postgres', allowLocal: true },
        accounts: [{ name: account }, { name: server.superuser }],
      }),
    )
    await vault.setCredential(address, { kind: 'password', password: new Secret(first) }, 'owner')
    const superuser = { account: server.superuser, target: 'orders' }
    await vault.setCredential(superuser, { kind: 'password', password: new Secret(server.superPassword) }, 'owner')
  })
  return { url, account, address }
}

async function inWorld<T>(
  url: string,
  options: Omit<RotationWorldOptions, 'database'>,
  act: (world: RotationWorld, database: Database) => Promise<T>,
): Promise<T> {
  const database = await openDatabase(url)
  const world = await createRotationWorld({ database, ...options })
  try {
    return await act(world, database)
  } finally {
    await world.rotations.close()
    await world.audit.close()
    await database.destroy()
  }
}

/** Which version of the account logs in at the server; undefined: none that the vault holds. */
async function living({ vault, targets }: RotationWorld, address: { account: string; target: string }) {
  const target = (await targets.get(address.target))!
  const account = target.accounts.find(({ name }) => name === address.account)!
  const found: number[] = []
  for (const { version } of await vault.history(address)) {
    const material = await vault.openVersion(address, version, target)
    const login = { target, account, material, dialer: directDialer(target) }
    if ((await postgresRole.verify(login, AbortSignal.timeout(20_000))).result === 'works') found.push(version)
    eraseMaterial(material)
  }
  return found
}

const byHand = { trigger: 'by-hand', by: 'owner' } as const

t.test('a password is rotated, is verified by a login, and the one before stays in history', async t => {
  const { url, address } = await newPlace()
  await inWorld(url, { connectors: [postgresRole] }, async world => {
    t.match(await world.rotations.rotate(address, byHand), { result: 'rotated', version: 2, words: '' })
    t.same(await living(world, address), [2])
    t.equal((await world.vault.standing(address))?.version, 2)
    t.match(await world.vault.history(address), [{ version: 2, cause: 'rotated' }, { version: 1 }])
    t.same(world.told, [address.account])
    await world.audit.flush()
    const kinds = (await world.audit.list()).map(({ kind }) => kind).filter(kind => kind.startsWith('rotation.'))
    t.same(
      kinds,
      ['prepared', 'applying', 'applied', 'verified', 'current', 'finished'].map(each => `rotation.${each}`),
    )
    t.match(await world.states.get(address), { state: 'ok', failures: 0, verified_result: 'works' })
  })
})
