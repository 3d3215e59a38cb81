/** Keys as ssh-keygen, openssl and puttygen write them; `ssh-keygen -y` says what their public half is. */

import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { publicBlob } from '../../../src/shared/private-key/key-parts.ts'
import { PrivateKeyError } from '../../../src/shared/private-key/private-key-error.ts'
import { readPrivateKey } from '../../../src/shared/private-key/read-private-key.ts'

const PASSPHRASE = 'hush hush ü'
const KINDS = [
  ['ed25519', []],
  ['ecdsa', ['-b', '256']],
  ['ecdsa', ['-b', '384']],
  ['ecdsa', ['-b', '521']],
  ['rsa', ['-b', '2048']],
] as const
const run = (command: string, ...args: string[]) => execFileSync(command, args, { encoding: 'utf8', stdio: 'pipe' })
const read = (text: string | Buffer, passphrase?: string) =>
  readPrivateKey(Buffer.from(text), passphrase === undefined ? undefined : Buffer.from(passphrase))
const line = (key: KeyObject) => publicBlob(key).toString('base64')

/** A new key pair without a passphrase: the private file, and the base64 of the public half. */
function sshKeygen(folder: string, name: string, type: string, args: readonly string[] = []) {
  const file = join(folder, name)
  run('ssh-keygen', '-q', '-N', '', '-C', 'alice@laptop', '-t', type, ...args, '-f', file)
  return { file, text: () => readFileSync(file, 'utf8'), base64: readFileSync(`${file}.pub`, 'utf8').split(' ')[1]! }
}

t.test("every cipher of OpenSSH's form is read, for every type of key", async t => {
  const folder = t.testdir()
  const ciphers = run('ssh', '-Q', 'cipher').trim().split('\n')
  for (const [i, cipher] of ciphers.entries()) {
    const [type, args] = KINDS[i % KINDS.length]!
    const { file, text, base64 } = sshKeygen(folder, `key${i}`, type, args)
    t.equal(line(await read(text())), base64, `${type} without a passphrase`)
    run('ssh-keygen', '-q', '-p', '-P', '', '-N', PASSPHRASE, '-a', '1', '-Z', cipher, '-f', file)
    t.equal(line(await read(text(), PASSPHRASE)), base64, cipher)
    await t.rejects(read(text(), 'another'), { message: /OpenSSH's form.*with this passphrase/ }, cipher)
    await t.rejects(read(text()), { message: /needs a passphrase/ }, cipher)
  }
})

t.test(
  'PEM is read by what it holds: PKCS #1, PKCS #8 and SEC 1, encrypted or not, with other blocks around it',
  async t => {
    const folder = t.testdir()
    for (const [i, [type, args]] of KINDS.entries()) {
      const { file, base64 } = sshKeygen(folder, `key${i}`, type, [...args, '-m', 'PKCS8'])
      const pem =
        type === 'ed25519'
          ? (await read(readFileSync(file))).export({ type: 'pkcs8', format: 'pem' })
          : readFileSync(file)
      const plain = join(folder, `plain${i}`)
      writeFileSync(plain, pem)
      const forms = [
        ['pkey', '-in', plain],
        ['pkcs8', '-topk8', '-in', plain, '-passout', `pass:${PASSPHRASE}`],
        [
          'pkcs8',
          '-topk8',
          '-v2',
          'aes-256-cbc',
          '-v2prf',
          'hmacWithSHA512',
          '-in',
          plain,
          '-passout',
          `pass:${PASSPHRASE}`,
        ],
        ['pkcs8', '-topk8', '-scrypt', '-in', plain, '-passout', `pass:${PASSPHRASE}`],
        ...(type === 'ed25519'
          ? []
          : ['-aes128', '-aes256', '-des3', '-camellia192', '-aria256'].map(cipher => [
              ...(type === 'rsa' ? ['rsa', '-traditional'] : ['ec']),
              cipher,
              '-in',
              plain,
              '-passout',
              `pass:${PASSPHRASE}`,
            ])),
      ]
      for (const form of forms) {
        const text = run('openssl', ...form)
        const what = `${type} ${args.join(' ')}: openssl ${form[0]} ${form[1]} ${form[2]}`
        const encrypted = /ENCRYPTED/.test(text)
        t.equal(line(await read(text, encrypted ? PASSPHRASE : undefined)), base64, what)
        if (encrypted) await t.rejects(read(text, 'another'), { message: /with this passphrase/ }, what)
      }
    }
  },
)

t.test('an EC PARAMETERS block in front, a label that is wrong, and text around the key are passed over', async t => {
  const folder = t.testdir()
  const file = join(folder, 'ec')
  run('openssl', 'ecparam', '-name', 'prime256v1', '-genkey', '-out', file)
  const text = readFileSync(file, 'utf8')
  t.match(text, /^-----BEGIN EC PARAMETERS-----/)
  const base64 = line(await read(text))
  t.equal(run('ssh-keygen', '-y', '-f', file).split(' ')[1]!.trim(), base64)

  const pkcs8 = run('openssl', 'pkcs8', '-topk8', '-nocrypt', '-in', file)
  const variants = {
    'PKCS #8 inside of EC PRIVATE KEY': pkcs8.replaceAll('PRIVATE KEY', 'EC PRIVATE KEY'),
    'text behind the key': `${text}alice's key, keep it safe\n`,
    'text before it': `Bag Attributes\n    friendlyName: alice\n${pkcs8}`,
    'a second block behind it': `${pkcs8}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
    'line ends of Windows': pkcs8.replaceAll('\n', '\r\n'),
    'a byte order mark': `\ufeff${pkcs8}`,
    'no line end at the end': pkcs8.trim(),
    'an indented paste': pkcs8.replaceAll(/^/gm, '    '),
  }
  for (const [what, variant] of Object.entries(variants)) t.equal(line(await read(variant)), base64, what)
})

t.test("PuTTY's form is read, versions 2 and 3, encrypted with each derivation or not", async t => {
  const folder = t.testdir()
  const passphraseFile = join(folder, 'passphrase')
  writeFileSync(passphraseFile, 'hush hush')
  const empty = join(folder, 'empty')
  writeFileSync(empty, '')
  for (const [i, [type, args]] of KINDS.entries()) {
    const { file, base64 } = sshKeygen(folder, `key${i}`, type, args)
    const derivations = ['argon2id', 'argon2i', 'argon2d']
    const kinds = ['version=2', ...derivations.map(name => `version=3,kdf=${name},passes=1,memory=64`)]
    for (const parameters of i === 0 ? kinds : kinds.slice(0, 2)) {
      for (const passphrase of ['', 'hush hush']) {
        const ppk = join(folder, `ppk${i}`)
        const from = passphrase === '' ? empty : passphraseFile
        run('puttygen', file, '-O', 'private', '--ppk-param', parameters, '--new-passphrase', from, '-o', ppk)
        const text = readFileSync(ppk, 'utf8')
        const what = `${type} ${parameters} ${passphrase === '' ? 'plain' : 'encrypted'}`
        t.equal(line(await read(text, passphrase)), base64, what)
        t.equal(line(await read(text.replaceAll('\n', '\r\n'), passphrase)), base64, `${what}, line ends of Windows`)
        if (passphrase !== '') {
          await t.rejects(read(text, 'another'), { message: /PuTTY's form.*with this passphrase/ }, what)
          await t.rejects(read(text), { message: /needs a passphrase/ }, what)
        }
        const changed = text.replace('alice@laptop', 'mallory@laptop')
        await t.rejects(
          read(changed, passphrase),
          PrivateKeyError,
          `${what}, with another comment: the MAC does not fit`,
        )
      }
    }
  }
})

t.test('what cannot be read is named, with the way to convert it, and never quoted', async t => {
  const folder = t.testdir()
  const { file, text } = sshKeygen(folder, 'key', 'ed25519')
  const ssh2 = sshKeygen(folder, 'rsa', 'rsa', ['-b', '2048'])
  const pem = (pair: { privateKey: KeyObject }) => pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const cases: [what: string, given: string | Buffer, message: RegExp][] = [
    ['UTF-16', Buffer.from(`\ufeff${text()}`, 'utf16le'), /UTF-16.*iconv/],
    ['UTF-16 by the command line', Buffer.from(`\ufeff${text()}`, 'utf16le').toString(), /UTF-16.*iconv/],
    ['public key', readFileSync(`${file}.pub`, 'utf8'), /public key; the private key is needed/],
    ['public key in RFC 4716', run('ssh-keygen', '-e', '-f', ssh2.file), /public key/],
    ['public PEM', run('ssh-keygen', '-e', '-m', 'PKCS8', '-f', ssh2.file), /public key/],
    [
      'ssh.com',
      '---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nAAAA\n---- END SSH2 ENCRYPTED PRIVATE KEY ----\n',
      /ssh-keygen -i -f/,
    ],
    ['SSH 1', 'SSH PRIVATE KEY FILE FORMAT 1.1\n\0\0', /binary file|version 1 of SSH/],
    ['OpenPGP', '-----BEGIN PGP PRIVATE KEY BLOCK-----\n', /OpenPGP/],
    [
      'JSON Web Key',
      JSON.stringify(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })),
      /JSON Web Key/,
    ],
    ['certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', /certificate/],
    [
      'DER',
      generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'der' }).toString(),
      /binary file.*openssl pkey/,
    ],
    ['X25519', pem(generateKeyPairSync('x25519')), /x25519 cannot log in/],
    ['Ed448', pem(generateKeyPairSync('ed448')), /ed448 cannot log in/],
    ['secp256k1', pem(generateKeyPairSync('ec', { namedCurve: 'secp256k1' })), /curve secp256k1 cannot log in/],
    ['DSA', '-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----\n', /DSA key/],
    ['PuTTY 1', 'PuTTY-User-Key-File-1: ssh-rsa\n', /version 1.*puttygen/],
    ['cut', text().slice(0, 200), /damaged/],
    ['no more than a first line', '-----BEGIN OPENSSH PRIVATE KEY-----', /damaged/],
    ['a password', 'hunter2', /not a private key/],
    ['nothing', '', /not a private key/],
  ]
  for (const [what, given, message] of cases) {
    const error = await read(given).then(
      () => undefined,
      (error: unknown) => error,
    )
    t.ok(error instanceof PrivateKeyError, what)
    t.match((error as Error).message, message, what)
    t.notMatch((error as Error).message, /hunter2|AAAA/, what)
  }
})

t.test('a key that was changed anywhere is refused, or still the same key: never another error', async t => {
  const folder = t.testdir()
  const texts = KINDS.map(([type, args], i) => sshKeygen(folder, `key${i}`, type, args).text())
  const originals = await Promise.all(texts.map(async text => line(await read(text))))
  await fc.assert(
    fc.asyncProperty(fc.nat(KINDS.length - 1), fc.nat(), fc.string({ maxLength: 4 }), async (i, at, other) => {
      const text = texts[i]!
      const place = at % text.length
      const changed = text.slice(0, place) + other + text.slice(place + other.length)
      try {
        t.equal(line(await read(changed)), originals[i])
      } catch (error) {
        t.ok(error instanceof PrivateKeyError, String(error))
      }
    }),
    { numRuns: 300 },
  )
})
