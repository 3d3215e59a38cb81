import { join } from 'node:path'
import { Kysely, Migrator } from 'kysely'
import t from 'tap'
import { changeOf } from '../../../src/database/change.ts'
import { type Database, openDatabase } from '../../../src/database/database.ts'
import { migrations } from '../../../src/database/migrations.ts'
import { SqliteThreadDialect } from '../../../src/database/sqlite-dialect.ts'
import { isRefusal } from '../../../src/shared/errors.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { fingerprintOf, identityOf } from '../../../src/targets/identity.ts'
import type { TargetInput } from '../../../src/targets/target.ts'
import { sealEnvelope } from '../../../src/vault/envelope.ts'
import type { CredentialMaterial } from '../../../src/vault/lease.ts'
import { createVault, type Vault } from '../../../src/vault/vault.ts'
import { grantFor, newKeyProvider, sshTarget, standingClock } from '../../support/identity-parts.ts'

const ROOT = { account: 'root', target: 'web-01' }
const ROTATED = { by: 'gateway', cause: 'rotated', trigger: 'interval' } as const
const password = (text: string) => ({ kind: 'password', password: new Secret(text) }) as const

type TestCase = { teardown(handler: () => unknown): void }

/** A vault whose target web-01 the test may change. */
async function parts(t: TestCase) {
  const database = await openDatabase('sqlite::memory:')
  t.teardown(() => database.destroy())
  const clock = standingClock()
  const key = await (await newKeyProvider(t)).load()
  const entry: { now: Partial<TargetInput> } = { now: {} }
  const web = () => sshTarget('web-01', { accounts: [{ name: 'root' }], ...entry.now })
  const targets = {
    get: async (name: string) => (name === 'web-01' ? web() : undefined),
    getAll: async (names: readonly string[]) => (names.includes('web-01') ? [web()] : []),
  }
  const vault = await createVault({ database, key, clock, targets })
  const lend = async () => {
    const lent = { account: web().accounts[0]!, target: web() }
    const promised = await vault.lease(grantFor({ endsAt: clock.now() + 3_600_000 }), lent)
    const lease = isRefusal(promised) ? promised : promised.open()
    return isRefusal(lease) ? lease.detail : `${lease.version}: ${textOf(lease.material)}`
  }
  return { database, clock, key, targets, entry, web, vault, lend }
}

function textOf(material: CredentialMaterial): string {
  return material.kind === 'password' ? material.password.reveal() : 'a key'
}

async function stateOf(vault: Vault) {
  const versions = await vault.history(ROOT)
  return versions
    .map(({ version, current, candidate }) => `${version}${current ? '!' : candidate ? '?' : ''}`)
    .join(' ')
}

const bindingOf = (database: Database) =>
  database.selectFrom('credential_bindings').selectAll().executeTakeFirstOrThrow()

t.test('a candidate is never lent before it is in force, and then it is', async t => {
  const { vault, lend, clock } = await parts(t)
  t.equal(await vault.setCredential(ROOT, password('first'), 'owner'), 1)
  clock.move(1000)
  t.equal(await vault.prepareVersion(ROOT, password('second'), ROTATED), 2)
  t.equal(await lend(), '1: first')
  t.equal((await vault.standing(ROOT))?.version, 1)
  t.equal((await vault.listCredentials())[0]?.version, 1)
  t.equal(await stateOf(vault), '2? 1!')
  t.equal(textOf(await vault.openVersion(ROOT, 2, sshTarget('web-01'))), 'second')

  clock.move(1000)
  await vault.makeCurrent(ROOT, 2, { replacing: 1 })
  t.equal(await lend(), '2: second')
  t.equal(await stateOf(vault), '2! 1')
  t.match(await vault.history(ROOT), [
    { version: 2, cause: 'rotated', trigger: 'interval', createdBy: 'gateway', inForceAt: clock.now() },
    { version: 1, cause: 'typed', trigger: undefined, createdBy: 'owner', inForceAt: clock.now() - 2000 },
  ])
})

t.test('of two who put a candidate in force at once one does, and the other is told', async t => {
  const { vault, lend } = await parts(t)
  await vault.setCredential(ROOT, password('first'), 'owner')
  for (const text of ['second', 'third']) await vault.prepareVersion(ROOT, password(text), ROTATED)
  const results = await Promise.allSettled([2, 3].map(version => vault.makeCurrent(ROOT, version, { replacing: 1 })))
  const won = results.findIndex(({ status }) => status === 'fulfilled')
  t.match(results[1 - won], { status: 'rejected', reason: { code: 'CONFLICT', message: /1 .*not in force any more/ } })
  t.equal(await lend(), ['2: second', '3: third'][won])

  await vault.setCredential(ROOT, password('typed'), 'owner')
  await t.rejects(vault.makeCurrent(ROOT, 2, { replacing: 4 }), { code: 'CONFLICT', message: /no candidate/ })
  await t.rejects(vault.makeCurrent(ROOT, 4, { replacing: 4 }), { code: 'CONFLICT', message: /no candidate/ })
  t.equal(await lend(), '4: typed')
})

t.test('a candidate that was given up is in the history, and is lent to nobody', async t => {
  const { vault, lend } = await parts(t)
  await vault.setCredential(ROOT, password('first'), 'owner')
  await vault.prepareVersion(ROOT, password('refused by the target'), ROTATED)
  await vault.prepareVersion(ROOT, password('taken'), ROTATED)
  await vault.makeCurrent(ROOT, 3, { replacing: 1 })
  t.equal(await stateOf(vault), '3! 2 1')
  t.equal(await lend(), '3: taken')
  t.match((await vault.history(ROOT))[1], { version: 2, inForceAt: undefined, candidate: false })
})

t.test('an account’s first version may be a candidate', async t => {
  const { vault, lend } = await parts(t)
  t.equal(await vault.prepareVersion(ROOT, password('made here'), { by: 'owner', cause: 'generated' }), 1)
  t.match(await lend(), /holds no credential/)
  t.equal(await vault.standing(ROOT), undefined)
  t.same(await vault.listCredentials(), [])
  await vault.makeCurrent(ROOT, 1, { replacing: 0 })
  t.equal(await lend(), '1: made here')
})

t.test('nothing is written when the transaction that it belongs to fails', async t => {
  const { vault, database, lend } = await parts(t)
  await vault.setCredential(ROOT, password('first'), 'owner')
  await vault.prepareVersion(ROOT, password('second'), ROTATED)
  const failing: typeof change = write =>
    change(async on => {
      await write(on)
      throw new Error('the disk is full')
    })
  const change = changeOf(database)
  await t.rejects(vault.makeCurrent(ROOT, 2, { replacing: 1 }, failing), /disk is full/)
  await t.rejects(vault.prepareVersion(ROOT, password('third'), ROTATED, failing), /disk is full/)
  t.equal(await stateOf(vault), '2? 1!')
  t.equal(await lend(), '1: first')
})

t.test('what says which version is in force cannot be put back, nor a version be put on top', async t => {
  const { vault, database, lend } = await parts(t)
  await vault.setCredential(ROOT, password('first'), 'owner')
  const before = await bindingOf(database)
  await vault.prepareVersion(ROOT, password('second'), ROTATED)
  await vault.makeCurrent(ROOT, 2, { replacing: 1 })
  const after = await bindingOf(database)

  for (const in_force of [before.in_force, after.in_force, 99, null]) {
    await database.updateTable('credential_bindings').set({ sealed: before.sealed, in_force }).execute()
    t.match(await lend(), /version 2 was in force already, and the store says that it is 1/, String(in_force))
    await database.updateTable('credential_bindings').set({ sealed: after.sealed, in_force }).execute()
    t.equal(await lend(), '2: second', 'where rows are looked for is only a hint')
  }
  await database.updateTable('credential_bindings').set({ sealed: before.sealed, in_force: 1 }).execute()
  await t.rejects(vault.prepareVersion(ROOT, password('third'), ROTATED), { code: 'CONFLICT', message: /older state/ })
  // Whoever may confirm puts in force again what was so last.
  await vault.confirmCredential(ROOT, fingerprintOf(identityOf(sshTarget('web-01'), 'root')))
  t.equal(await lend(), '2: second')

  const [row] = await database.selectFrom('credentials').selectAll().where('version', '=', 2).execute()
  for (const bound of [row!.bound, 'v1.nonsense']) {
    await database
      .insertInto('credentials')
      .values({ ...row!, version: 3, bound })
      .execute()
    t.match(await lend(), /version 3 is damaged or was put there by hand \(VAULT_DAMAGED; 2 was the last\)/)
    t.equal((await vault.standing(ROOT))?.version, 3)
    t.equal(await vault.restoreCredential(ROOT, 2, 'owner'), 4, 'an earlier one is put in force by its number')
    t.equal(await lend(), '4: second')
    await database.deleteFrom('credentials').where('version', '>', 2).execute()
    await database.updateTable('credential_bindings').set({ sealed: after.sealed, in_force: 2 }).execute()
  }
})

t.test('one changed bit makes one version unusable, which is named, and no other', async t => {
  const { vault, database, web } = await parts(t)
  for (const text of ['first', 'second', 'third']) await vault.setCredential(ROOT, password(text), 'owner')
  const { bound } = await database
    .selectFrom('credentials')
    .select('bound')
    .where('version', '=', 2)
    .executeTakeFirstOrThrow()
  const flipped = bound!.replace(/.$/, last => (last === 'A' ? 'Q' : 'A'))
  await database.updateTable('credentials').set({ bound: flipped }).where('version', '=', 2).execute()
  const damaged = { code: 'VAULT_DAMAGED', message: /Version 2 of root@web-01 is damaged/ }
  await t.rejects(vault.openVersion(ROOT, 2, web()), damaged)
  await t.rejects(vault.restoreCredential(ROOT, 2, 'owner'), damaged)
  for (const [version, text] of [
    [1, 'first'],
    [3, 'third'],
  ] as const) {
    t.equal(textOf(await vault.openVersion(ROOT, version, web())), text)
  }
  t.equal(await vault.restoreCredential(ROOT, 1, 'owner'), 4)
})

t.test(
  'where what says which version is in force is damaged, nothing is lent until somebody confirms, and that finds it',
  async t => {
    const { vault, database, lend, web } = await parts(t)
    for (const text of ['first', 'second']) await vault.setCredential(ROOT, password(text), 'owner')
    await vault.prepareVersion(ROOT, password('candidate'), ROTATED)
    const { sealed } = await bindingOf(database)
    const flipped = sealed.replace(/.$/, last => (last === 'A' ? 'Q' : 'A'))
    await database.updateTable('credential_bindings').set({ sealed: flipped }).execute()
    t.match(await lend(), /VAULT_DAMAGED.*binding of root@web-01/)
    t.match(await vault.standing(ROOT), { unconfirmed: /VAULT_DAMAGED/ })
    t.equal((await vault.history(ROOT)).length, 3)
    await t.rejects(vault.restoreCredential(ROOT, 1, 'owner'), { code: 'VAULT_DAMAGED' })
    await vault.confirmCredential(ROOT, fingerprintOf(identityOf(web(), 'root')))
    t.equal(await lend(), '2: second')
    t.equal(await stateOf(vault), '3? 2! 1')
  },
)

t.test('a version goes to no target but the one that it was confirmed for', async t => {
  const { vault, entry, web, lend } = await parts(t)
  const keys = ['AAAA', 'BBBB'].map(text => `ssh-ed25519 ${text}`)
  entry.now = { hostKeys: keys }
  await vault.setCredential(ROOT, password('first'), 'owner')
  await vault.prepareVersion(ROOT, password('second'), ROTATED)
  // Stricter: nobody is asked, and the candidate is in force for what is left.
  entry.now = { hostKeys: [keys[0]!] }
  await vault.followTargets(['web-01'])
  t.equal(textOf(await vault.openVersion(ROOT, 2, web())), 'second')
  await vault.makeCurrent(ROOT, 2, { replacing: 1 })
  t.equal(await lend(), '2: second')
  entry.now = { hostKeys: keys }
  t.match(await lend(), /hostKeys/, 'what was taken away does not come back')
  await t.rejects(vault.openVersion(ROOT, 1, web()), { code: 'CONFLICT', message: /must be confirmed first/ })
  await t.rejects(vault.prepareVersion(ROOT, password('x'), ROTATED), { code: 'CONFLICT' })

  entry.now = { host: '198.51.100.66' }
  await vault.confirmCredential(ROOT, fingerprintOf(identityOf(web(), 'root')))
  t.equal(await lend(), '2: second')
  await t.rejects(vault.openVersion(ROOT, 1, web()), { code: 'CONFLICT', message: /for the target as it was then/ })
})

t.test('a clock that is set back reorders nothing, and no version is retired before its time', async t => {
  const { vault, clock, lend } = await parts(t)
  for (const text of ['first', 'second', 'third', 'fourth']) {
    await vault.setCredential(ROOT, password(text), 'owner')
    clock.move(-86_400_000)
  }
  t.equal(await stateOf(vault), '4! 3 2 1')
  t.equal(await lend(), '4: fourth')
  const never: number[] = []
  t.same(await vault.retire(ROOT, { keep: 1, olderThanMs: 0, never }), [], 'they were replaced later than now')
  clock.move(4 * 86_400_000)
  await vault.noteVerified(ROOT, 4, { at: clock.now(), result: 'works' })
  t.same(await vault.retire(ROOT, { keep: 1, olderThanMs: 0, never }), [3, 2, 1])
})

t.test('versions are retired by count and age; what may still be needed stays', async t => {
  const { vault, clock } = await parts(t)
  const day = 86_400_000
  for (let version = 1; version <= 8; version++) {
    await vault.setCredential(ROOT, password(`p${version}`), 'owner')
    clock.move(day)
  }
  await vault.prepareVersion(ROOT, password('candidate'), ROTATED)
  await vault.noteVerified(ROOT, 8, { at: clock.now(), result: 'works' })
  await vault.pinVersion(ROOT, 2, true)
  await t.rejects(vault.pinVersion(ROOT, 77, true), { code: 'NOT_FOUND' })
  t.same(await vault.retire(ROOT, { keep: 20, olderThanMs: 0, never: [] }), [], 'so many are kept')
  t.same(await vault.retire(ROOT, { keep: 1, olderThanMs: 100 * day, never: [] }), [], 'and so long')
  // Version 3 was replaced five days ago, version 4 four days ago.
  t.same(await vault.retire(ROOT, { keep: 2, olderThanMs: 5 * day, never: [1] }), [3])
  t.same(await vault.retire(ROOT, { keep: 2, olderThanMs: 0, never: [1] }), [6, 5, 4])
  t.equal(await stateOf(vault), '9? 8! 7 2 1')
  await vault.pinVersion(ROOT, 2, false)
  t.same(await vault.retire(ROOT, { keep: 1, olderThanMs: 0, never: [] }), [7, 2, 1])
  t.equal(await vault.setCredential(ROOT, password('next'), 'owner'), 10, 'no number is given twice')
})

t.test('what may be valid at the target stays while the version in force has not logged in', async t => {
  const { vault, clock } = await parts(t)
  const day = 86_400_000
  const note = (version: number, result: 'works' | 'refused' | 'unreachable') =>
    vault.noteVerified(ROOT, version, { at: clock.now(), result })
  const retire = () => vault.retire(ROOT, { keep: 1, olderThanMs: 0, never: [] })
  for (let version = 1; version <= 15; version++) await vault.setCredential(ROOT, password(`p${version}`), 'owner')
  await note(2, 'works')
  clock.move(400 * day)
  t.same(await retire(), [4, 3, 1], 'one of the ten before it, or the one that worked')
  await note(15, 'unreachable')
  t.same(await retire(), [])
  await note(15, 'refused')
  t.same(await retire(), [], 'another is valid: any of them')
  await note(15, 'works')
  t.same(await retire(), [14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 2])
})

t.test('candidates that rotations gave up are retired by their count, once they can be valid no more', async t => {
  const { vault, clock } = await parts(t)
  const day = 86_400_000
  await vault.setCredential(ROOT, password('first'), 'owner')
  await vault.prepareVersion(ROOT, password('a key pair'), { by: 'alice', cause: 'generated' })
  for (let version = 3; version <= 9; version++) await vault.prepareVersion(ROOT, password(`p${version}`), ROTATED)
  const retire = (more: object = {}) => vault.retire(ROOT, { keep: 3, olderThanMs: 0, never: [], ...more })
  const works = () => vault.noteVerified(ROOT, 1, { at: clock.now(), result: 'works' })
  await works()
  clock.move(2 * day)
  t.same(await retire(), [], 'a change that was on its way may have come later')
  await vault.noteVerified(ROOT, 1, { at: clock.now(), result: 'refused' })
  t.same(await retire(), [], 'any of them may be what is valid')
  await works()
  await vault.pinVersion(ROOT, 4, true)
  t.same(await retire({ keepCandidates: 20 }), [])
  t.same(await retire({ never: [5] }), [6, 3])
  t.same(await retire({ keep: 1 }), [8, 7, 5], 'what somebody had generated is theirs')
  t.equal(await stateOf(vault), '9? 4? 2? 1!')
  t.equal(await vault.prepareVersion(ROOT, password('next'), ROTATED), 10, 'no number is given twice')
})

t.test('a candidate that was given up before another came in force stays as long', async t => {
  const { vault, clock } = await parts(t)
  await vault.setCredential(ROOT, password('first'), 'owner')
  await vault.prepareVersion(ROOT, password('a key pair'), { by: 'alice', cause: 'generated' })
  await vault.prepareVersion(ROOT, password('on its way'), ROTATED)
  await vault.prepareVersion(ROOT, password('arrived'), ROTATED)
  await vault.makeCurrent(ROOT, 4, { replacing: 1 })
  const works = () => vault.noteVerified(ROOT, 4, { at: clock.now(), result: 'works' })
  const retire = () => vault.retire(ROOT, { keep: 1, olderThanMs: 0, never: [] })
  await works()
  t.same(await retire(), [1], 'a change that was on its way may come later')
  clock.move(2 * 86_400_000)
  t.same(await retire(), [], 'what is in force has logged in before that alone')
  await works()
  t.same(await retire(), [3], 'what somebody had generated is theirs')
})

t.test('nothing is retired by a time that is not sure', async t => {
  const { vault, clock } = await parts(t)
  const day = 86_400_000
  for (const text of ['first', 'second']) await vault.setCredential(ROOT, password(text), 'owner')
  await vault.noteVerified(ROOT, 2, { at: clock.now(), result: 'works' })
  const now = clock.now() + 2 * day
  clock.move(400 * day)
  t.same(await vault.retire(ROOT, { keep: 1, olderThanMs: 365 * day, never: [], now }), [])
  t.same(await vault.retire(ROOT, { keep: 1, olderThanMs: 365 * day, never: [], now: now + 400 * day }), [1])
})

t.test('what the history says is sealed: a row that somebody changed is named, and what was sealed counts', async t => {
  const { vault, clock, database } = await parts(t)
  await vault.setCredential(ROOT, password('first'), 'owner')
  clock.move(1000)
  await vault.prepareVersion(ROOT, password('second'), ROTATED)
  await vault.makeCurrent(ROOT, 2, { replacing: 1 })
  await vault.noteVerified(ROOT, 2, { at: clock.now(), result: 'works' })
  await Promise.all([vault.pinVersion(ROOT, 1, true), vault.noteVerified(ROOT, 1, { at: 5, result: 'refused' })])
  const told = await vault.history(ROOT)
  t.same(
    told.map(({ facts }) => facts),
    ['sealed', 'sealed'],
  )
  t.same(await Array.fromAsync(vault.alteredVersions()), [])

  const lies = {
    ...{ kind: 'private-key', created_at: 1, created_by: 'mallory', cause: 'restored', trigger: 'leak', copy_of: 7 },
    ...{ current_at: 2, verified_at: 3, verified_result: 'unreachable', pinned: 0 },
  }
  for (const [column, value] of Object.entries(lies)) {
    const before = await database
      .selectFrom('credentials')
      .selectAll()
      .where('version', '=', 1)
      .executeTakeFirstOrThrow()
    const set = (row: object) => database.updateTable('credentials').set(row).where('version', '=', 1).execute()
    await set({ [column]: value })
    t.same(await Array.fromAsync(vault.alteredVersions()), [{ ...ROOT, version: 1, changed: [column] }])
    const { facts, ...seen } = (await vault.history(ROOT))[1]!
    const { facts: _, ...expected } = told[1]!
    t.equal(facts, 'altered', column)
    t.same(seen, expected, 'what was sealed counts')
    // Nor does a later change of the gateway's own make it good.
    await vault.noteVerified(ROOT, 1, { at: 5, result: 'refused' })
    const own = column === 'verified_at' || column === 'verified_result'
    t.equal((await vault.history(ROOT))[1]!.facts, own ? 'sealed' : 'altered')
    await set(before)
  }

  const sealedOf = async (version: number) =>
    (await database.selectFrom('credentials').select('facts').where('version', '=', version).executeTakeFirstOrThrow())
      .facts
  const own = await sealedOf(1)
  for (const facts of [await sealedOf(2), `${own!.slice(0, -6)}AAAAAA`, '']) {
    await database.updateTable('credentials').set({ facts }).where('version', '=', 1).execute()
    t.same(await Array.fromAsync(vault.alteredVersions()), [{ ...ROOT, version: 1, changed: [] }])
  }
  await database.updateTable('credentials').set({ facts: null }).where('version', '=', 1).execute()
  await vault.pinVersion(ROOT, 1, false)
  t.match((await vault.history(ROOT))[1], { facts: 'unsealed', pinned: false }, 'nobody vouches for it, then or later')
})

t.test('the history says what was seen of each version', async t => {
  const { vault, clock } = await parts(t)
  await vault.setCredential(ROOT, password('first'), 'owner')
  await vault.setCredential(ROOT, password('second'), 'owner', undefined, 'imported')
  await vault.noteVerified(ROOT, 1, { at: clock.now(), result: 'refused' })
  await t.rejects(vault.noteVerified(ROOT, 9, { at: 1, result: 'works' }), { code: 'NOT_FOUND' })
  const lease = await vault.lease(grantFor({ endsAt: clock.now() + 1000 }))
  if (isRefusal(lease)) throw new Error(lease.detail)
  t.match((await vault.history(ROOT))[0], { lentAt: undefined })
  await vault.startLease(lease)
  await vault.restoreCredential(ROOT, 1, 'carol')
  t.match(await vault.history(ROOT), [
    { version: 3, cause: 'restored', restoredFrom: 1, createdBy: 'carol', verified: undefined, current: true },
    { version: 2, cause: 'imported', lentAt: clock.now(), verified: undefined },
    { version: 1, cause: 'typed', lentAt: undefined, verified: { at: clock.now(), result: 'refused' } },
  ])
})

t.test('accounts are listed in pages, each once, with the version in force', async t => {
  const { vault, database } = await parts(t)
  const accounts = ['a', 'b', 'c', 'd', 'e']
  for (const account of accounts) {
    await vault.setCredential({ account, target: 'web-01' }, password('first'), 'owner')
    await vault.prepareVersion({ account, target: 'web-01' }, password('candidate'), ROTATED)
  }
  // Of a target that is gone, and before the others.
  const [row] = await database.selectFrom('credentials').selectAll().limit(1).execute()
  await database
    .insertInto('credentials')
    .values({ ...row!, target: 'gone' })
    .execute()
  const seen: string[] = []
  let after: { account: string; target: string } | undefined
  for (;;) {
    const page = await vault.listCredentials({ limit: 2, after })
    seen.push(...page.map(({ account, target, version }) => `${account}@${target} ${version}`))
    after = page.at(-1)
    if (page.length < 2) break
  }
  t.same(seen, ['a@gone 1', ...accounts.map(account => `${account}@web-01 1`)])
  t.same(
    (await vault.listCredentials({ limit: 9, target: 'web-01' })).map(({ account }) => account),
    accounts,
  )
})

t.test('a store of the version before goes on, and that version lends nothing while there is a candidate', async t => {
  const path = join(t.testdir({}), 'sallyport.db')
  const before = new Kysely<Record<string, Record<string, unknown>>>({ dialect: new SqliteThreadDialect(path) })
  const provider = { getMigrations: async () => migrations }
  await new Migrator({ db: before, provider }).migrateTo('0009-check-out-leases')
  const key = await (await newKeyProvider(t)).load()
  const identity = identityOf(sshTarget('web-01'), 'root')
  // As that version wrote them.
  const seal = (purpose: string, bytes: Buffer) => sealEnvelope(key, purpose, bytes)
  const row = (version: number, text: string) => ({
    ...ROOT,
    ...{ version, kind: 'password', sealed: '', created_at: version, created_by: 'owner' },
    bound: seal(
      `credential root@web-01 v${version} for ${fingerprintOf(identity)}`,
      Buffer.concat([Buffer.of(1), Buffer.from(text)]),
    ),
  })
  const binding = (version: number) =>
    seal('binding of root@web-01', Buffer.from(JSON.stringify({ version, identity })))
  await before
    .insertInto('credentials')
    .values([row(1, 'first'), row(2, 'second')])
    .execute()
  await before
    .insertInto('credential_bindings')
    .values({ ...ROOT, sealed: binding(2) })
    .execute()
  await before.destroy()

  const database = await openDatabase(`sqlite:${path}`)
  t.teardown(() => database.destroy())
  const targets = { get: async () => sshTarget('web-01'), getAll: async () => [sshTarget('web-01')] }
  const vault = await createVault({ database, key, clock: standingClock(), targets })
  t.equal((await bindingOf(database)).in_force, 2)
  t.equal((await vault.standing(ROOT))?.unconfirmed, undefined)
  t.match(await vault.history(ROOT), [
    { version: 2, current: true, cause: undefined },
    { version: 1, current: false },
  ])
  t.equal(textOf(await vault.openVersion(ROOT, 1, sshTarget('web-01'))), 'first')

  await vault.prepareVersion(ROOT, password('third'), ROTATED)
  // It lends the newest row alone, only where the sealed binding names that, and in this form.
  const { sealed } = await bindingOf(database)
  t.match(JSON.parse(vault.openBytes('binding of root@web-01', sealed).toString()), { version: 2 })
  const newest = database.selectFrom('credentials').selectAll().orderBy('version', 'desc')
  const { version, bound } = await newest.executeTakeFirstOrThrow()
  t.equal(version, 3)
  t.throws(() => vault.openBytes(`credential root@web-01 v3 for ${fingerprintOf(identity)}`, bound!), {
    code: 'VAULT_DAMAGED',
  })
  // What it stores beside this one is in force, and the candidate is none any more.
  const beside = database as unknown as typeof before
  await beside
    .insertInto('credentials')
    .values({ ...row(4, 'fourth') })
    .execute()
  await beside
    .updateTable('credential_bindings')
    .set({ sealed: binding(4) })
    .execute()
  t.match(await vault.standing(ROOT), { version: 4, unconfirmed: undefined })
  await t.rejects(vault.makeCurrent(ROOT, 3, { replacing: 2 }), { code: 'CONFLICT' })
  t.equal(await stateOf(vault), '4! 3 2 1')
})
