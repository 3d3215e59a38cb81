/** Somebody goes: what they know is rotated, by whatever name and in whatever version it is in force now. */

import t, { type Test } from 'tap'
import { createRotationTriggers } from '../../../src/rotation/triggers/triggers.ts'
import { createSchedule } from '../../../src/schedule/schedule.ts'
import { type AccountAddress, formatAccountAddress } from '../../../src/shared/names.ts'
import { Secret } from '../../../src/shared/secret.ts'
import type { TargetInput } from '../../../src/targets/target.ts'
import { createTargets } from '../../../src/targets/targets.ts'
import { KeyEncryptionKey } from '../../../src/vault/key-encryption-key.ts'
import { createVault } from '../../../src/vault/vault.ts'
import { eachStore, type Store, stopStores } from '../../support/each-store.ts'
import { sshTarget, standingClock } from '../../support/identity-parts.ts'

t.teardown(stopStores)

const ROOT = { account: 'root', target: 'web-01' }
const password = (text: string) => ({ kind: 'password', password: new Secret(text) }) as const

async function prepare(store: Store) {
  const database = await store.open()
  const clock = standingClock()
  const targets = createTargets({ database, clock })
  const vault = await createVault({ database, key: new KeyEncryptionKey(Buffer.alloc(32, 7)), clock, targets })
  const schedule = createSchedule({ database, clock })
  const triggers = createRotationTriggers({ schedule, clock })
  const put = (name: string, changes: Partial<TargetInput> = {}) =>
    targets.put(sshTarget(name, { accounts: [{ name: 'root' }], ...changes }))
  await put('web-01')
  let count = 0
  /** As a check-out that showed it leaves it, or a session that used it. */
  const lent = async (user: string, address: AccountAddress, version: number, how: 'shown' | 'used') => {
    const holder = how === 'shown' ? { session: '', check_out: `cho_${count}` } : { session: `ses_${count}` }
    const times = { started_at: clock.now(), until: clock.now(), ended_at: clock.now() }
    const id = `lea_${count++}`
    await database
      .insertInto('leases')
      .values({ id, check_out: null, ...holder, user, ...address, credential_version: version, ...times })
      .execute()
  }
  const rotate = async (address: AccountAddress, text: string) => {
    const replacing = (await vault.versionInForce(address))!
    const version = await vault.prepareVersion(address, password(text), { by: 'gateway', cause: 'rotated' })
    await vault.makeCurrent(address, version, { replacing })
    return version
  }
  /** Whose rotation follows. */
  const gone = async (...users: string[]) => {
    await database.deleteFrom('jobs').execute()
    const known = await database.transaction().execute(on => triggers.rotationAfterOffboarding(users, 'carol', on))
    const jobs = await schedule.list({ kind: 'rotate' })
    const names = jobs.map(({ key }) => key).sort()
    return { names, known: known.map(formatAccountAddress).sort(), jobs }
  }
  return { database, clock, targets, vault, schedule, triggers, put, lent, rotate, gone }
}

async function rotatedFor(t: Test, gone: Awaited<ReturnType<typeof prepare>>['gone'], expected: string[]) {
  const { names, known } = await gone('alice')
  t.same(names, expected)
  t.same(known, expected)
}

eachStore(t, 'what they were shown is rotated while it is in force, and not when it was changed', async (t, store) => {
  const { vault, lent, rotate, gone } = await prepare(store)
  await vault.setCredential(ROOT, password('first'), 'owner')
  await lent('alice', ROOT, 1, 'shown')
  await lent('bob', ROOT, 1, 'used')
  await rotatedFor(t, gone, ['root@web-01'])
  t.same((await gone('bob')).names, [], 'a session showed it to nobody, and no policy asks for more')
  t.same((await gone('nobody')).names, [])
  await rotate(ROOT, 'second')
  await rotatedFor(t, gone, [])
})

eachStore(t, 'what they were shown is rotated where it was restored since', async (t, store) => {
  const { database, vault, lent, rotate, gone } = await prepare(store)
  await vault.setCredential(ROOT, password('first'), 'owner')
  await lent('alice', ROOT, 1, 'shown')
  await rotate(ROOT, 'second')
  await vault.restoreCredential(ROOT, 1, 'carol')
  await rotatedFor(t, gone, ['root@web-01'])
  await rotate(ROOT, 'fourth')
  await vault.restoreCredential(ROOT, 3, 'carol')
  await rotatedFor(t, gone, ['root@web-01'])
  // Retention took what says where the restored one came from.
  await database.deleteFrom('credentials').where('version', '<', 5).execute()
  await rotatedFor(t, gone, ['root@web-01'])
  await rotate(ROOT, 'sixth')
  await rotatedFor(t, gone, [])
})

eachStore(
  t,
  'what they were shown of a dual account is rotated also while its other login is in use',
  async (t, store) => {
    const { vault, put, lent, rotate, gone } = await prepare(store)
    await put('web-01', { accounts: [{ name: 'root', logins: ['app_a', 'app_b'] }] })
    await vault.setCredential(ROOT, { ...password('first'), login: 'app_a' }, 'owner')
    await lent('alice', ROOT, 1, 'shown')
    await rotate(ROOT, 'second')
    await rotatedFor(t, gone, ['root@web-01'])
    for (const text of ['third', 'fourth', 'fifth']) await rotate(ROOT, text)
    await rotatedFor(t, gone, [])
  },
)

eachStore(t, 'what they typed themselves is rotated', async (t, store) => {
  const { vault, rotate, gone } = await prepare(store)
  await vault.setCredential(ROOT, password('typed'), 'alice')
  await rotatedFor(t, gone, ['root@web-01'])
  await rotate(ROOT, 'second')
  await rotatedFor(t, gone, [])
})

eachStore(t, 'what they were shown is rotated by the name that account or target have now', async (t, store) => {
  const { vault, targets, put, lent, gone } = await prepare(store)
  await vault.setCredential(ROOT, password('first'), 'owner')
  await lent('alice', ROOT, 1, 'shown')
  // The target has another name, and another of the same name elsewhere is none of it.
  await targets.remove('web-01')
  for (const [name, host] of [['www', '192.0.2.9'] as const, ['db', '192.0.2.10'] as const]) {
    await put(name, { host })
    await vault.setCredential({ account: 'root', target: name }, password('first'), 'owner')
  }
  await rotatedFor(t, gone, ['root@www'])
  // The account has another name as well.
  await put('www', { accounts: [{ name: 'superuser', login: 'root' }, { name: 'deploy' }] })
  await rotatedFor(t, gone, [])
  for (const account of ['superuser', 'deploy'])
    await vault.setCredential({ account, target: 'www' }, password('first'), 'owner')
  await rotatedFor(t, gone, ['superuser@www'])
})

eachStore(t, 'that somebody knows it stays the reason, whatever else asks for the rotation', async (t, store) => {
  const { clock, database, vault, schedule, triggers } = await prepare(store)
  await vault.setCredential(ROOT, password('first'), 'owner')
  await database
    .insertInto('rotation_policies')
    .values({
      ...{ name: 'all', updated_at: clock.now() },
      document: JSON.stringify({ name: 'all', targets: { names: ['*'] }, after: ['session'] }),
    })
    .execute()
  await database
    .insertInto('leases')
    .values({
      ...{ id: 'lea_1', session: 'ses_1', check_out: null, user: 'bob', ...ROOT, credential_version: 1 },
      ...{ started_at: clock.now(), until: clock.now(), ended_at: clock.now() },
    })
    .execute()
  const trigger = async () => {
    const [job] = await schedule.list({ kind: 'rotate' })
    return (job!.payload as { trigger: string }).trigger
  }
  const session = () => database.transaction().execute(on => triggers.rotationAfterSession(['lea_1'], on))
  const leak = () => database.transaction().execute(on => triggers.rotationAfterLeak(ROOT, 'carol', on))
  await session()
  t.equal(await trigger(), 'session')
  clock.move(1000)
  await leak()
  t.equal(await trigger(), 'leak', 'the leak comes later')
  await database
    .updateTable('jobs')
    .set({ due_at: clock.now() + 60_000, attempts: 2 })
    .execute()
  await session()
  t.equal(await trigger(), 'leak', 'the leak came first, and waits for its next try')
  t.ok((await schedule.list({ kind: 'rotate' }))[0]!.dueAt <= clock.now())
})
