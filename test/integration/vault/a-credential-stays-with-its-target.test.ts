/** A credential goes to the target that it was confirmed for: whoever changes the target's entry does not get it sent elsewhere. */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { upgradeStore } from '../../../src/gateway/upgrade-store.ts'
import { generateKeyPair } from '../../../src/protocols/ssh/transport/generate-key-pair.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { fingerprintOf } from '../../../src/targets/identity.ts'
import { asOwner, withToken } from '../../support/run-cli.ts'
import { clientOptions, startClient } from '../../support/ssh-client.ts'
import { startTestGateway, type TestGateway } from '../../support/start-gateway.ts'
import { type PasswordHost, startPasswordHost } from '../../support/start-password-host.ts'
import { makeKey } from '../../support/start-sshd.ts'
import { makeToken } from '../../support/web-01.ts'

const PASSWORD = 'S3cr3t of the vault'
const ADDRESS = { account: 'root', target: 'web-01' }

/** web-01 with the account root and its password, and alice, who may log in there. */
async function start(t: Test, keys = [generateKeyPair('ed25519')]) {
  const gateway = await startTestGateway()
  t.teardown(() => gateway.close())
  const web = await startPasswordHost(t, { keys })
  await gateway.addRole({
    name: 'ops',
    targets: { names: ['web-01'] },
    accounts: { names: ['root', 'www'] },
    factors: [['publickey']],
  })
  await gateway.addTarget(entryOf(web), { root: password(PASSWORD) })
  const identityFile = makeKey(gateway.folder, 'alice', 'ed25519')
  const publicKeys = [readFileSync(`${identityFile}.pub`, 'utf8').trim()]
  await gateway.addUser({ name: 'alice', roles: ['ops'], publicKeys })
  const login = () => {
    const options = ['-F', 'none', ...clientOptions({ identityFile }), '-p', String(gateway.ssh!.port)]
    return startClient('ssh', [...options, '-l', 'alice+root+web-01', '127.0.0.1', 'true'], { identityFile }).ended
  }
  const refused = async (t: Test, why: RegExp) => {
    const { status, stderr } = await login()
    t.equal(status, 255)
    t.match(stderr, /CREDENTIAL_UNAVAILABLE, session ses_/)
    t.notMatch(stderr, why, 'the person is not told why')
    const [event] = await gateway.parts.audit.list({ kind: 'session.refused', limit: 1 })
    t.match(JSON.parse(event!.data), { account: 'root@web-01', code: 'CREDENTIAL_UNAVAILABLE', why })
  }
  const works = async (t: Test) => t.match(await login(), { status: 0 })
  return { gateway, web, refused, works }
}

const password = (text: string) => ({ kind: 'password', password: new Secret(text) }) as const

function entryOf({ host, port, hostKeys }: PasswordHost, accounts = [{ name: 'root' }, { name: 'www' }]) {
  return { name: 'web-01', protocol: 'ssh', host, port, hostKeys, accounts } as const
}

function fileOf(gateway: TestGateway, host: PasswordHost, hostKeys: readonly string[] = host.hostKeys): string {
  const file = join(gateway.folder, 'web-01.yaml')
  writeFileSync(
    file,
    `kind: target\n${Object.entries({ ...entryOf(host), hostKeys })
      .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
      .join('')}`,
  )
  return file
}

/** The check value of a store that was made, or last taken over, by an earlier version: only who has the vault key can make it. */
async function asOfEarlierVersion({ parts: { database, vault } }: TestGateway): Promise<void> {
  const sealed = vault.sealBytes('vault check', Buffer.from('this vault opens with this key'))
  await database.updateTable('sealed_keys').set({ sealed }).where('name', '=', 'vault-check').execute()
}

/** As somebody who can write to the store, and has no vault key. */
async function writeEntry({ parts }: TestGateway, changes: object): Promise<void> {
  const { document } = await parts.database
    .selectFrom('targets')
    .select('document')
    .where('name', '=', 'web-01')
    .executeTakeFirstOrThrow()
  const changed = JSON.stringify({ ...JSON.parse(document), ...changes })
  await parts.database.updateTable('targets').set({ document: changed }).where('name', '=', 'web-01').execute()
}

t.test('a target that is changed in the store gets nothing, until it is as it was', async t => {
  const { gateway, web, refused, works } = await start(t)
  await works(t)
  const thief = await startPasswordHost(t)
  const { port, hostKeys } = thief
  await writeEntry(gateway, { port, hostKeys })
  await refused(
    t,
    /identity changed since it was confirmed \(port, hostKeys\); sallyport credential confirm root@web-01/,
  )
  await writeEntry(gateway, { port: web.port, hostKeys: [...web.hostKeys, ...hostKeys] })
  await refused(t, /\(hostKeys\)/)
  await writeEntry(gateway, { hostKeys: web.hostKeys, accounts: [{ name: 'root', login: 'other' }] })
  await refused(t, /\(login\)/)
  await writeEntry(gateway, { accounts: [{ name: 'root' }], authentication: ['password', 'none'] })
  await refused(t, /\(authentication\)/)
  t.equal(thief.connections, 0)
  await writeEntry(gateway, { authentication: ['password'], labels: { env: 'x' }, description: 'harmless' })
  await works(t)
})

t.test('rows of the vault that are put elsewhere, put back or taken away are no credential', async t => {
  const { gateway, refused, works } = await start(t)
  const { database, vault } = gateway.parts
  const rows = () => database.selectFrom('credentials').selectAll().where('account', '=', 'root').execute()
  const binding = () =>
    database.selectFrom('credential_bindings').select('sealed').where('account', '=', 'root').executeTakeFirstOrThrow()
  const setBinding = (sealed: string) =>
    database.updateTable('credential_bindings').set({ sealed }).where('account', '=', 'root').execute()
  const before = await rows()
  const { sealed: earlier } = await binding()
  await vault.setCredential(ADDRESS, password('the second'), 'owner')
  const whole = { rows: await rows(), binding: (await binding()).sealed }

  await database.deleteFrom('credentials').where('account', '=', 'root').where('version', '=', 2).execute()
  await refused(t, /version 2 is gone from the store/)
  await database
    .insertInto('credentials')
    .values({ ...before[0]!, version: 2 })
    .execute()
  await refused(t, /VAULT_DAMAGED/)
  await database
    .insertInto('credentials')
    .values({ ...whole.rows[1]!, version: 3 })
    .execute()
  await refused(t, /version 3 is damaged or was put there by hand \(VAULT_DAMAGED; 2 was the last\)/)
  await database.deleteFrom('credentials').where('account', '=', 'root').where('version', '>', 1).execute()
  await database.insertInto('credentials').values(whole.rows[1]!).execute()
  await works(t)

  // What says which version is in force, as it was before: a version that was in force above it is no candidate.
  await setBinding(earlier)
  await refused(t, /version 2 was in force already, and the store says that it is 1: somebody put an older state back/)
  await setBinding(whole.binding)
  await works(t)

  await vault.setCredential({ account: 'www', target: 'web-01' }, password('of www'), 'owner')
  const other = await database
    .selectFrom('credential_bindings')
    .select('sealed')
    .where('account', '=', 'www')
    .executeTakeFirstOrThrow()
  await setBinding(other.sealed)
  await refused(t, /VAULT_DAMAGED/)
  await database.deleteFrom('credential_bindings').where('account', '=', 'root').execute()
  await refused(t, /never confirmed/)
})

t.test('who may apply may not confirm: the new target waits for somebody with that right', async t => {
  const { gateway, web, refused, works } = await start(t)
  const moved = await startPasswordHost(t)
  const file = fileOf(gateway, moved)
  const admin = await makeToken(gateway, 'alice', 'admin')
  const line = /^! credential root@web-01 must be confirmed: sallyport credential confirm root@web-01$/m
  t.match(await withToken(gateway, admin, ['apply', '-f', file, '--dry-run']), { exit: 0, stdout: line })
  t.match(await withToken(gateway, admin, ['apply', '-f', file]), { exit: 0, stdout: line })
  const [applied] = await gateway.parts.audit.list({ kind: 'resources.applied', limit: 1 })
  t.match(applied!.data, /credential root@web-01 must be confirmed/)
  await refused(t, /identity changed/)
  const explained = await withToken(gateway, admin, ['explain', 'alice', 'root@web-01'])
  t.match(explained, { exit: 0, stdout: /credential +the target's identity changed/ })
  t.match(await withToken(gateway, admin, ['credential', 'list']), { stdout: /root@web-01 .* must be confirmed/ })

  const standing = (await gateway.parts.vault.standing(ADDRESS))!
  const shown = await withToken(gateway, admin, ['credential', 'confirm', 'root@web-01', '--expect', 'SHA256:wrong'])
  t.match(shown, {
    exit: 1,
    stdout: new RegExp(`- port: ${web.port}\\s+\\+ port: ${moved.port}`),
  })
  const fingerprint = /now SHA256:\S+(?=\.)/.exec(shown.stderr)![0].slice(4)
  const expecting = ['credential', 'confirm', 'root@web-01', '--expect', fingerprint]
  t.match(await withToken(gateway, admin, expecting), { exit: 4, stderr: /needs a token with the scope confirm;/ })
  t.match(
    await withToken(gateway, admin, ['token', 'create', 'more', '--user', 'alice', '--scope', 'credentials']),
    { exit: 4, stderr: /made by the owner/ },
    'nor make the right for oneself',
  )
  await refused(t, /identity changed/)
  t.equal(moved.connections, 0)

  const keeper = await makeToken(gateway, 'alice', 'credentials')
  t.match(await withToken(gateway, keeper, expecting), { exit: 0, stdout: /Confirmed root@web-01/ })
  await works(t)
  t.same(moved.given, [['root', PASSWORD]])
  const [confirmed] = await gateway.parts.audit.list({ kind: 'credential.confirmed' })
  t.match(JSON.parse(confirmed!.data), {
    ...{ account: 'root', target: 'web-01', version: 1 },
    before: standing.confirmed,
    after: standing.now,
  })
  t.match(await withToken(gateway, keeper, ['apply', '-f', file]), { exit: 4 }, 'this right is no other')
})

t.test('what is confirmed is what was seen: a target that changes in between is not', async t => {
  const { gateway } = await start(t)
  const { port, hostKeys } = await startPasswordHost(t)
  await writeEntry(gateway, { port, hostKeys })
  const seen = (await asOwner(gateway, ['credential', 'confirm', 'root@web-01', '--expect', 'x'])).stderr
  const fingerprint = /SHA256:\S+(?=\.)/.exec(seen)![0]
  await writeEntry(gateway, { port: port + 1 })
  const late = await asOwner(gateway, ['credential', 'confirm', 'root@web-01', '--expect', fingerprint])
  t.match(late, { exit: 1, stderr: /not confirmed/ })
  await t.rejects(gateway.parts.vault.confirmCredential(ADDRESS, fingerprint), { code: 'CONFLICT' })
})

t.test('a pinned key that is taken away needs nobody, one that comes (back) does', async t => {
  const { gateway, web, refused, works } = await start(t, [generateKeyPair('ed25519'), generateKeyPair('ecdsa')])
  const apply = (keys: string[]) => asOwner(gateway, ['apply', '-f', fileOf(gateway, web, keys)])
  t.notMatch((await apply(web.hostKeys.slice(0, 1))).stdout, /confirmed/)
  await works(t)
  t.match((await apply(web.hostKeys)).stdout, /root@web-01 must be confirmed/)
  await refused(t, /\(hostKeys\)/)
  await writeEntry(gateway, { hostKeys: web.hostKeys.slice(0, 1) })
  await works(t)
})

t.test('all credentials of a target are confirmed at once', async t => {
  const { gateway, works } = await start(t)
  await gateway.parts.vault.setCredential({ account: 'www', target: 'web-01' }, password('of www'), 'owner')
  const moved = await startPasswordHost(t)
  await asOwner(gateway, ['apply', '-f', fileOf(gateway, moved)])
  const fingerprints: string[] = []
  for (const { account } of await gateway.parts.vault.followTargets(['web-01'])) {
    const { stderr } = await asOwner(gateway, ['credential', 'confirm', `${account}@web-01`, '--expect', 'x'])
    fingerprints.push(/SHA256:\S+(?=\.)/.exec(stderr)![0])
  }
  t.equal(fingerprints.length, 2)
  const all = ['credential', 'confirm', '*@web-01']
  t.match(await asOwner(gateway, [...all, '--expect', ...fingerprints]), {
    exit: 0,
    stdout: /root@web-01.*www@web-01/s,
  })
  await works(t)
  t.match(await asOwner(gateway, all), { exit: 0, stdout: /No credential of this target must be confirmed/ })
  const mistyped = await asOwner(gateway, ['credential', 'confirm', '*@web-1'])
  t.match(mistyped, { exit: 1, stdout: '', stderr: /There is no target web-1/ })
})

t.test('a store of an earlier version goes on working, once: its credentials are bound at the first start', async t => {
  const { gateway: before, web } = await start(t)
  const asBefore = async ({ parts: { database, vault } }: TestGateway, account: string) => {
    const material = { kind: 'password', password: Buffer.from(PASSWORD).toString('base64') }
    const sealed = vault.sealBytes(`credential ${account}@web-01 v1`, Buffer.from(JSON.stringify(material)))
    const row = { account, target: 'web-01', version: 1, kind: 'password', created_at: 1, created_by: 'owner' }
    await database
      .insertInto('credentials')
      .values({ ...row, sealed })
      .execute()
  }
  const { database } = before.parts
  await database.deleteFrom('credentials').execute()
  await database.deleteFrom('credential_bindings').execute()
  await asOfEarlierVersion(before)
  await asBefore(before, 'root')
  await before.stop()

  const gateway = await startTestGateway({ beside: before })
  t.teardown(() => gateway.close())
  const { vault, audit } = gateway.parts
  t.same((await vault.standing(ADDRESS))?.unconfirmed, undefined)
  const [event, ...others] = await audit.list({ kind: 'credential.bound' })
  t.match(JSON.parse(event!.data), { accounts: ['root@web-01'] })
  t.same(others, [])

  // And never again, whoever takes the mark away.
  const www = { account: 'www', target: 'web-01' }
  const mark = gateway.parts.database
  await asBefore(gateway, 'www')
  await upgradeStore(gateway.parts)
  t.match((await vault.standing(www))?.unconfirmed, /never confirmed/)
  // Nor where the version that took it over knew marks only.
  await asOfEarlierVersion(gateway)
  await mark.deleteFrom('sealed_keys').where('name', '=', 'credentials-bound').execute()
  await upgradeStore(gateway.parts)
  t.match((await vault.standing(www))?.unconfirmed, /never confirmed/)
  t.match((await audit.list({ kind: 'credential.bound', limit: 1 }))[0]!.data, /mark credentials-bound was taken/)
  await asOfEarlierVersion(gateway)
  await mark.updateTable('sealed_keys').set({ sealed: 'v1.x' }).where('name', '=', 'credentials-bound').execute()
  await t.rejects(upgradeStore(gateway.parts), { code: 'VAULT_DAMAGED' })
  t.equal(web.connections, 0)

  // Whoever has that right confirms what an earlier version stored later, beside this one.
  const { now } = (await vault.standing(www))!
  await vault.confirmCredential(www, fingerprintOf(now!))
  t.same((await vault.standing(www))?.unconfirmed, undefined)
})

t.test('who takes every trace of the first start from the store has nothing taken over again', async t => {
  const { gateway: before } = await start(t)
  const { database, vault } = before.parts
  // What an upgrade leaves: the credential as an earlier version sealed it, beside the one that is bound.
  const material = { kind: 'password', password: Buffer.from(PASSWORD).toString('base64') }
  const sealed = vault.sealBytes('credential root@web-01 v1', Buffer.from(JSON.stringify(material)))
  await database.updateTable('credentials').set({ sealed }).execute()
  await asOfEarlierVersion(before)
  await before.stop()
  const upgraded = await startTestGateway({ beside: before })
  t.same((await upgraded.parts.vault.standing(ADDRESS))?.unconfirmed, undefined)
  await upgraded.stop()

  const thief = await startPasswordHost(t)
  const traces = ['credentials-bound', 'tokens-sealed', 'vault-check']
  for (const taken of [traces.slice(0, 2), traces]) {
    const open = await startTestGateway({ beside: before })
    const store = open.parts.database
    await writeEntry(open, { host: thief.host, port: thief.port, hostKeys: thief.hostKeys })
    await store.deleteFrom('credential_bindings').execute()
    await store.deleteFrom('sealed_keys').where('name', 'in', taken).execute()
    const kinds = ['credential.bound', 'token.sealed']
    await store.updateTable('audit_events').set({ kind: 'x' }).where('kind', 'in', kinds).execute()
    const row = {
      name: `mine-${taken.length}`,
      user: 'alice',
      hash: taken.join(),
      scopes: 'admin',
      created_at: 1,
      expires_at: null,
    }
    await store
      .insertInto('api_tokens')
      .values({ ...row, sealed: null })
      .execute()
    await open.stop()

    const gateway = await startTestGateway({ beside: before })
    t.match((await gateway.parts.vault.standing(ADDRESS))?.unconfirmed, /never confirmed/)
    const rows = await gateway.parts.database.selectFrom('api_tokens').select('sealed').execute()
    t.ok(rows.length > 0 && rows.every(({ sealed }) => sealed === null), 'nor is a row of their own a token')
    await gateway.stop()
  }
  t.same(thief.given, [])
})
