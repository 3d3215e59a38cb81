import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openDatabase } from '../../../src/database/database.ts'
import { isRefusal } from '../../../src/shared/errors.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { createIdentity, grantFor, newKeyProvider } from '../../support/identity-parts.ts'
import { bytesForms } from '../../support/secret-forms.ts'

t.test('no password, key or one-time-code secret is in the file, in any usual spelling', async t => {
  const folder = t.testdir({ store: {} })
  const store = join(folder, 'store')
  const keyFile = join(folder, 'id')
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', keyFile])
  const privateKey = readFileSync(keyFile)
  const vaultedPassword = 'vaulted-Zq8-correct-horse'
  const userPassword = 'alices-own-pass-phrase-Kx3'

  const keyProvider = await newKeyProvider(t)
  const database = await openDatabase(`sqlite:${join(store, 'sallyport.db')}`)
  t.teardown(() => database.destroy())
  const { vault, enrol, clock } = await createIdentity(t, { database, keyProvider })
  await vault.setCredential(
    { account: 'root', target: 'web-01' },
    { kind: 'password', password: new Secret(vaultedPassword) },
    'owner',
  )
  await vault.setCredential(
    { account: 'deploy', target: 'web-01' },
    { kind: 'private-key', privateKey: new Secret(privateKey) },
    'owner',
  )
  const { secret } = await enrol({ name: 'alice' }, userPassword)
  const hostKey = await vault.ownKey('ssh-host', async () => ({
    public: 'p',
    secret: new Secret('host-key-material-Wv5-0123'),
  }))
  await vault.signingKey()
  const lease = await vault.lease(grantFor({ endsAt: clock.now() + 1000 }))
  t.notOk(isRefusal(isRefusal(lease) ? lease : lease.open()), 'the vault itself can lend it')

  // The line in the middle of the key's text is the private half.
  const keyLines = privateKey
    .toString()
    .split('\n')
    .slice(2, 4)
    .map(line => Buffer.from(line))
  const secrets = [
    Buffer.from(vaultedPassword),
    Buffer.from(userPassword),
    Buffer.from(secret.reveal()),
    hostKey.secret.revealBytes(),
    privateKey,
    ...keyLines,
    ...keyLines.map(line => Buffer.from(line.toString(), 'base64')),
  ]
  const files = readdirSync(store)
  t.ok(files.includes('sallyport.db'))
  const bytes = Buffer.concat(files.map(name => readFileSync(join(store, name))))
  t.ok(bytes.includes('web-01'), 'what is not secret is found: the search works')
  t.notOk(bytes.includes('argon2'), 'nor a hash to try passwords on')
  for (const [index, searched] of secrets.entries()) {
    for (const [form, spelling] of bytesForms(searched)) t.notOk(bytes.includes(spelling), `secret ${index}, ${form}`)
  }
})
