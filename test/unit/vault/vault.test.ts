import { verify } from 'node:crypto'
import { inspect } from 'node:util'
import t from 'tap'
import { openDatabase } from '../../../src/database/database.ts'
import { isRefusal } from '../../../src/shared/errors.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { fingerprintOf, identityOf } from '../../../src/targets/identity.ts'
import { type Lease, ofSession } from '../../../src/vault/lease.ts'
import { createVault, type Vault } from '../../../src/vault/vault.ts'
import { anyTarget, grantFor, newKeyProvider, sshTarget, standingClock } from '../../support/identity-parts.ts'

const ROOT = { account: 'root', target: 'web-01' }
const password = (text: string) => ({ kind: 'password', password: new Secret(text) }) as const

type TestCase = { teardown(handler: () => unknown): void }

async function parts(t: TestCase) {
  const database = await openDatabase('sqlite::memory:')
  t.teardown(() => database.destroy())
  const clock = standingClock()
  const keyProvider = await newKeyProvider(t)
  const vault = await createVault({ database, key: await keyProvider.load(), clock, targets: anyTarget })
  return { database, clock, keyProvider, vault, endsAt: clock.now() + 3_600_000 }
}

async function leaseOf(vault: Vault, options: Parameters<typeof grantFor>[0]): Promise<Lease> {
  const promised = await vault.lease(grantFor(options))
  if (isRefusal(promised)) throw new Error(promised.detail)
  await vault.startLease(promised)
  const lease = promised.open()
  if (isRefusal(lease)) throw new Error(lease.detail)
  return lease
}

function passwordOf(lease: Lease): string {
  const { material } = lease
  if (material.kind !== 'password') throw new Error('not a password')
  return material.password.reveal()
}

t.test('the newest version is lent, and earlier ones stay', async t => {
  const { vault, clock, endsAt } = await parts(t)
  t.equal(await vault.setCredential(ROOT, password('first'), 'owner'), 1)
  clock.move(1000)
  t.equal(await vault.setCredential(ROOT, password('second'), 'carol'), 2)
  t.equal(await vault.setCredential({ account: 'dba', target: 'orders' }, password('other'), 'owner'), 1)

  const lease = await leaseOf(vault, { endsAt })
  t.equal(lease.version, 2)
  t.equal(passwordOf(lease), 'second')
  t.match(await vault.history(ROOT), [
    { version: 2, createdBy: 'carol', createdAt: clock.now() },
    { version: 1, createdBy: 'owner', createdAt: clock.now() - 1000 },
  ])
  const listed = await vault.listCredentials()
  t.same(
    listed.map(({ account, target, version, kind }) => [account, target, version, kind]),
    [
      ['dba', 'orders', 1, 'password'],
      ['root', 'web-01', 2, 'password'],
    ],
  )
  t.notMatch(JSON.stringify([listed, await vault.history(ROOT)]), /"sealed":|v1\./)
})

t.test('an earlier version is put in force again, but only for the target that it was stored for', async t => {
  const database = await openDatabase('sqlite::memory:')
  t.teardown(() => database.destroy())
  const clock = standingClock()
  let host = '192.0.2.9'
  const targets = {
    get: async (name: string) => (name === 'web-01' ? sshTarget(name, { host }) : undefined),
    getAll: async (names: readonly string[]) => names.map(name => sshTarget(name, { host })),
  }
  const vault = await createVault({ database, key: await (await newKeyProvider(t)).load(), clock, targets })
  await vault.setCredential(ROOT, password('first'), 'owner')
  await vault.setCredential(ROOT, password('second'), 'owner')
  t.equal(await vault.restoreCredential(ROOT, 1, 'carol'), 3)
  t.equal(passwordOf(await leaseOf(vault, { endsAt: clock.now() + 1000 })), 'first')
  t.match(await vault.history(ROOT), [
    { version: 3, kind: 'password', createdBy: 'carol' },
    { version: 2 },
    { version: 1 },
  ])

  await t.rejects(vault.restoreCredential(ROOT, 3, 'carol'), { code: 'CONFLICT', message: /in force already/ })
  await t.rejects(vault.restoreCredential(ROOT, 9, 'carol'), { code: 'NOT_FOUND' })
  await t.rejects(vault.restoreCredential({ ...ROOT, target: 'gone' }, 1, 'carol'), { code: 'NOT_FOUND' })
  // Whoever may change a target has nothing sent there that nobody confirmed.
  host = '198.51.100.66'
  await t.rejects(vault.restoreCredential(ROOT, 2, 'carol'), { code: 'CONFLICT', message: /must be confirmed first/ })
  await vault.confirmCredential(ROOT, fingerprintOf(identityOf(sshTarget('web-01', { host }), 'root')))
  await t.rejects(vault.restoreCredential(ROOT, 2, 'carol'), {
    code: 'CONFLICT',
    message: /for the target as it was then/,
  })
  t.equal((await vault.history(ROOT)).length, 3)
})

t.test('versions stored at the same moment each get a number of their own', async t => {
  const { vault } = await parts(t)
  const versions = await Promise.all(
    Array.from({ length: 8 }, (_, i) => vault.setCredential(ROOT, password(`p${i}`), 'owner')),
  )
  t.same(
    versions.sort((a, b) => a - b),
    [1, 2, 3, 4, 5, 6, 7, 8],
  )
})

t.test('an account without a credential is refused with a text that says so', async t => {
  const { vault, endsAt, database } = await parts(t)
  await vault.setCredential({ account: 'root', target: 'web-02' }, password('p'), 'owner')
  const refusal = await vault.lease(grantFor({ endsAt }))
  t.match(refusal, { refused: true, code: 'CREDENTIAL_UNAVAILABLE', detail: /no credential/ })
  t.same(await database.selectFrom('leases').selectAll().execute(), [])
})

t.test('nothing is lent to a grant that has ended', async t => {
  const { vault, clock } = await parts(t)
  await vault.setCredential(ROOT, password('p'), 'owner')
  t.match(await vault.lease(grantFor({ endsAt: clock.now() })), { code: 'CREDENTIAL_UNAVAILABLE', detail: /has ended/ })
})

t.test('a lease is in the store while it lasts, and cannot be read after its end', async t => {
  const { vault, clock, endsAt, database } = await parts(t)
  await vault.setCredential(ROOT, password('hush'), 'owner')
  const lease = await leaseOf(vault, { endsAt, session: 'ses_a' })
  const row = () => database.selectFrom('leases').selectAll().executeTakeFirstOrThrow()
  t.match(await row(), {
    id: lease.id,
    session: 'ses_a',
    user: 'alice',
    ...ROOT,
    credential_version: 1,
    started_at: clock.now(),
    until: endsAt,
    ended_at: null,
  })
  t.notMatch(inspect(lease, { showHidden: true, depth: 9 }) + JSON.stringify(lease), /hush/)
  clock.move(5000)
  lease.erase()
  t.same(await vault.endLeases(ofSession(lease.grant.session)), [lease.id])
  const ended = (await row()).ended_at
  t.equal(ended, clock.now())
  t.throws(() => lease.material, /has ended/)
  clock.move(5000)
  t.same(await vault.endLeases(ofSession(lease.grant.session)), [])
  t.equal((await row()).ended_at, ended, 'ending it twice changes nothing')
})

t.test('the leases of a session whose gateway died are ended, and no others', async t => {
  const { vault, endsAt, database } = await parts(t)
  await vault.setCredential(ROOT, password('p'), 'owner')
  for (const session of ['ses_a', 'ses_a', 'ses_b']) await leaseOf(vault, { endsAt, session })
  t.equal((await vault.endLeases(ofSession('ses_a'))).length, 2)
  t.same(await vault.endLeases(ofSession('ses_a')), [])
  const open = await database.selectFrom('leases').select('session').where('ended_at', 'is', null).execute()
  t.same(open, [{ session: 'ses_b' }])
})

t.test('the leases of check-outs are apart from those of sessions', async t => {
  const { vault, endsAt, database, clock } = await parts(t)
  await vault.setCredential(ROOT, password('p'), 'owner')
  const { id: lent } = await leaseOf(vault, { endsAt, session: 'ses_a' })
  const row = { user: 'alice', ...ROOT, credential_version: 1, started_at: clock.now(), until: endsAt, ended_at: null }
  // One whose check-out has the name of the session, by chance or by malice.
  const checkOuts = ['out_1', 'ses_a'].map(check_out => ({ id: `lea_${check_out}`, session: '', check_out, ...row }))
  await database.insertInto('leases').values(checkOuts).execute()
  const open = async () => (await vault.openLeases(clock.now() + 1)).map(({ id, holder }) => [id, holder])
  t.same(
    new Map((await open()) as [string, object][]),
    new Map<string, object>([
      [lent, { kind: 'session', session: 'ses_a' }],
      ['lea_out_1', { kind: 'check-out', checkOut: 'out_1' }],
      ['lea_ses_a', { kind: 'check-out', checkOut: 'ses_a' }],
    ]),
  )
  t.same(
    (await vault.sessionLeasesAfter('', 9, database)).map(({ id }) => id),
    [lent],
  )
  t.same(await vault.endLeases(ofSession('')), [], 'they are not those of a session without a name')
  t.same(await vault.endLeases(ofSession('ses_a')), [lent])
  t.same(await vault.endLeases({ kind: 'check-out', checkOut: 'ses_a' }), ['lea_ses_a'])
  t.same(
    (await open()).map(([id]) => id),
    ['lea_out_1'],
  )
})

t.test('a credential that someone moved to another account or version in the store is not lent', async t => {
  const { vault, endsAt, database } = await parts(t)
  await vault.setCredential({ account: 'guest', target: 'web-01' }, password('weak'), 'owner')
  await vault.setCredential(ROOT, password('strong'), 'owner')
  const guest = await database
    .selectFrom('credentials')
    .select('bound')
    .where('account', '=', 'guest')
    .executeTakeFirstOrThrow()
  await database.updateTable('credentials').set(guest).where('account', '=', 'root').execute()
  const promised = await vault.lease(grantFor({ endsAt }))
  if (isRefusal(promised)) throw new Error(promised.detail)
  t.match(promised.open(), { code: 'CREDENTIAL_UNAVAILABLE', detail: /VAULT_DAMAGED/ })

  await database.updateTable('credentials').set({ version: 2 }).where('account', '=', 'guest').execute()
  const moved = await vault.lease(grantFor({ endsAt, account: 'guest' }))
  t.match(moved, { code: 'CREDENTIAL_UNAVAILABLE', detail: /put there by hand/ })
})

t.test('names and material that cannot be used are refused before anything is stored', async t => {
  const { vault, database } = await parts(t)
  await t.rejects(vault.setCredential({ account: 'a b', target: 'x' }, password('p'), 'owner'), { code: 'BAD_REQUEST' })
  await t.rejects(vault.setCredential(ROOT, password(''), 'owner'), { code: 'BAD_REQUEST' })
  t.same(await database.selectFrom('credentials').selectAll().execute(), [])
})

t.test('a key that does not fit the store is told at the start, with both ids, and changes nothing', async t => {
  const { database, vault, clock } = await parts(t)
  await vault.setCredential(ROOT, password('p'), 'owner')
  const rows = () => Promise.all([database.selectFrom('sealed_keys').selectAll().execute(), vault.history(ROOT)])
  const before = await rows()
  const other = await newKeyProvider(t)
  const key = await other.load()
  const { id } = key
  await t.rejects(createVault({ database, key, clock, targets: anyTarget }), {
    code: 'VAULT_KEY_MISMATCH',
    message: new RegExp(`${id}.*${vault.keyId}`),
  })
  t.same(await rows(), before)
})

t.test('a check value that was tampered with is told', async t => {
  const { database, keyProvider, clock } = await parts(t)
  await database.updateTable('sealed_keys').set({ sealed: 'v1.nonsense' }).execute()
  await t.rejects(createVault({ database, key: await keyProvider.load(), clock, targets: anyTarget }), {
    code: 'VAULT_DAMAGED',
  })
})

t.test('the signing key is made once, signs, and is the same for every gateway of the store', async t => {
  const { database, keyProvider, clock, vault } = await parts(t)
  const second = await createVault({ database, key: await keyProvider.load(), clock, targets: anyTarget })
  const [one, two] = await Promise.all([vault.signingKey(), second.signingKey()])
  t.equal(one.publicKeyPem, two.publicKeyPem)
  t.equal(one.publicKeyPem, two.publicKeyPem)
  const bytes = Buffer.from('the end of a recording')
  t.ok(verify(null, bytes, two.publicKeyPem, one.sign(bytes)))
  t.notOk(verify(null, Buffer.from('another end'), two.publicKeyPem, one.sign(bytes)))
})

t.test('a key of the gateway’s own is generated once, also when many ask at once', async t => {
  const { vault, database } = await parts(t)
  let made = 0
  const generate = async () => {
    made++
    return { public: `public ${made}`, secret: new Secret(`secret ${made}`) }
  }
  const keys = await Promise.all(Array.from({ length: 5 }, () => vault.ownKey('ssh-host', generate)))
  t.equal(new Set(keys.map(key => key.public)).size, 1)
  t.equal(keys[0]!.public.replace('public', 'secret'), keys[0]!.secret.reveal())
  const before = made
  await vault.ownKey('ssh-host', generate)
  t.equal(made, before)

  await database.updateTable('sealed_keys').set({ public: 'of an attacker' }).where('name', '=', 'ssh-host').execute()
  await t.rejects(vault.ownKey('ssh-host', generate), { code: 'VAULT_DAMAGED' }, 'another public half is found out')
})

t.test('sealed bytes open for their purpose only', async t => {
  const { vault } = await parts(t)
  const sealed = vault.sealBytes('recording ses_a', Buffer.from('key'))
  t.equal(vault.openBytes('recording ses_a', sealed).toString(), 'key')
  t.throws(() => vault.openBytes('recording ses_b', sealed), { code: 'VAULT_DAMAGED' })
})
