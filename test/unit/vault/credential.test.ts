import { execFileSync } from 'node:child_process'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { Secret } from '../../../src/shared/secret.ts'
import { acceptMaterial, decodeMaterial, encodeMaterial } from '../../../src/vault/credential.ts'

const acceptKey = (text: string, passphrase?: string) =>
  acceptMaterial({
    kind: 'private-key',
    privateKey: new Secret(text),
    ...(passphrase === undefined ? {} : { passphrase: new Secret(passphrase) }),
  })

function sshKeygen(folder: string, name: string, args: string[], passphrase = ''): { key: string; publicKey: string } {
  const file = join(folder, name)
  execFileSync('ssh-keygen', ['-q', '-N', passphrase, '-C', 'test', '-f', file, ...args])
  return { key: readFileSync(file, 'utf8'), publicKey: readFileSync(`${file}.pub`, 'utf8') }
}

/** The line of base64 with its middle characters made zeros: in an Ed25519 key, line 3 holds the private half. */
function changeLine(text: string, index: number): string {
  return text
    .split('\n')
    .map((line, i) => (i === index ? `${line.slice(0, 20)}AAAA${line.slice(24)}` : line))
    .join('\n')
}

t.test('private keys as ssh-keygen makes them are taken', async t => {
  const folder = t.testdir()
  const kinds = [
    ['-t', 'ed25519'],
    ['-t', 'ecdsa'],
    ['-t', 'rsa', '-b', '2048'],
    ['-t', 'rsa', '-b', '2048', '-m', 'PEM'],
  ]
  for (const [index, args] of kinds.entries()) {
    await t.resolves(acceptKey(sshKeygen(folder, `key${index}`, args).key), args.join(' '))
  }
})

t.test('a private key with a passphrase is taken with the right one only', async t => {
  const { key } = sshKeygen(t.testdir(), 'key', ['-t', 'ed25519', '-a', '1'], 'hush-hush')
  await t.resolves(acceptKey(key, 'hush-hush'))
  await t.rejects(acceptKey(key), { code: 'BAD_REQUEST', message: /needs a passphrase/ })
  await t.rejects(acceptKey(key, 'other'), { code: 'BAD_REQUEST', message: /with this passphrase/ })
})

t.test('the PKCS #8 keys of openssl are taken, with their passphrase where they have one', async t => {
  const pairs = [
    generateKeyPairSync('ed25519'),
    generateKeyPairSync('rsa', { modulusLength: 2048 }),
    generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ]
  for (const { privateKey } of pairs) {
    await t.resolves(acceptKey(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()))
    const options = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'hush-hush' } as const
    const locked = privateKey.export(options).toString()
    await t.resolves(acceptKey(locked, 'hush-hush'))
    await t.rejects(acceptKey(locked, 'other'), { code: 'BAD_REQUEST', message: /with this passphrase/ })
  }
})

t.test('what is no private key is refused with what was meant, and never quoted', async t => {
  const { key, publicKey } = sshKeygen(t.testdir(), 'key', ['-t', 'ed25519'])
  const x25519 = generateKeyPairSync('x25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const cases: [string, RegExp][] = [
    [publicKey, /not a private key|public key/],
    [x25519, /x25519 cannot log in/],
    ['hunter2', /not a private key/],
    ['', /not a private key/],
    [key.slice(0, 200), /damaged/],
    [changeLine(key, 3), /damaged/],
    [`${'-----BEGIN OPENSSH PRIVATE KEY-----\n'}${'A'.repeat(70_000)}`, /longer than/],
  ]
  for (const [text, message] of cases) await t.rejects(acceptKey(text), { code: 'BAD_REQUEST', message })
})

t.test('a password that no login can carry is refused', async t => {
  const check = (password: string) => acceptMaterial({ kind: 'password', password: new Secret(password) })
  for (const password of ['', 'a\0b', 'two\nlines', 'x'.repeat(5000)])
    await t.rejects(check(password), { code: 'BAD_REQUEST' })
  for (const password of ['p', 'pässwörd with spaces', '"\\\'$(rm)']) await t.resolves(check(password))
})

t.test('material comes back from its bytes as it was, UTF-8 or not', async t => {
  const bytes = fc.uint8Array({ maxLength: 200 })
  fc.assert(
    fc.property(bytes, bytes, (first, second) => {
      const password = decodeMaterial(encodeMaterial({ kind: 'password', password: new Secret(first) }))
      t.ok(password.kind === 'password' && password.password.revealBytes().equals(first))
      const publicKey = Buffer.from(second)
      const key = decodeMaterial(encodeMaterial({ kind: 'private-key', privateKey: new Secret(first), publicKey }))
      t.ok(key.kind === 'private-key' && key.privateKey.revealBytes().equals(first) && key.publicKey?.equals(publicKey))
    }),
    { numRuns: 30 },
  )
})

t.test('what the first version stored is read as it was stored', async t => {
  const bytes = fc.uint8Array({ maxLength: 200 })
  const base64 = (secret: Uint8Array) => Buffer.from(secret).toString('base64')
  const stored = (document: object) => decodeMaterial(Buffer.from(JSON.stringify(document)))
  fc.assert(
    fc.property(bytes, fc.option(bytes, { nil: undefined }), (first, second) => {
      const password = stored({ kind: 'password', password: base64(first) })
      t.ok(password.kind === 'password' && password.password.revealBytes().equals(first))
      const passphrase = second === undefined ? {} : { passphrase: base64(second) }
      const key = stored({ kind: 'private-key', privateKey: base64(first), ...passphrase })
      if (key.kind !== 'private-key') throw new Error('another kind came back')
      t.ok(key.privateKey.revealBytes().equals(first))
      t.same(key.passphrase?.revealBytes(), second && Buffer.from(second))
    }),
    { numRuns: 30 },
  )
  t.throws(() => stored({ kind: 'certificate' }))
})

t.test('a stored private key is PKCS #8 without a passphrase, beside its public half', async t => {
  const { key, publicKey } = sshKeygen(t.testdir(), 'key', ['-t', 'ed25519', '-a', '1'], 'hush-hush')
  const material = await acceptMaterial({
    kind: 'private-key',
    privateKey: new Secret(key),
    passphrase: new Secret('hush-hush'),
  })
  if (material.kind !== 'private-key') throw new Error('another kind came back')
  const der = { key: material.privateKey.revealBytes(), format: 'der', type: 'pkcs8' } as const
  t.equal(createPrivateKey(der).asymmetricKeyType, 'ed25519')
  t.equal(material.publicKey?.toString('base64'), publicKey.split(' ')[1])
  t.equal(material.passphrase, undefined)
})
