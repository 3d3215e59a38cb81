import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import t from 'tap'
import { verifyUserSignature } from '../../../../src/protocols/ssh/transport/user-key.ts'
import { string, uint32 } from '../../../../src/shared/ssh-encoding/wire.ts'

const DATA = Buffer.from('the session, the user, the key')
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest()
const blobOf = (type: string, ...fields: (string | Buffer)[]) =>
  Buffer.concat([type, ...fields].map(field => string(field)))
const signatureOf = (algorithm: string, bytes: Buffer) => Buffer.concat([string(algorithm), string(bytes)])
const point = (key: KeyObject) => {
  const { x, y } = key.export({ format: 'jwk' })
  return Buffer.concat([Buffer.from([4]), Buffer.from(x!, 'base64url'), Buffer.from(y!, 'base64url')])
}
const mpints = (signature: Buffer) => {
  const half = signature.length / 2
  return Buffer.concat([string(mpint(signature.subarray(0, half))), string(mpint(signature.subarray(half)))])
}
const mpint = (bytes: Buffer) => (bytes[0]! & 0x80 ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes)
const plainEcdsa = (data: Buffer, key: KeyObject, hash: string) =>
  mpints(sign(hash, data, { key, dsaEncoding: 'ieee-p1363' }))

const ed25519 = generateKeyPairSync('ed25519')
const raw = Buffer.from(ed25519.publicKey.export({ format: 'jwk' }).x!, 'base64url')

t.test('Ed25519 proves its own data and nothing else', async t => {
  const blob = blobOf('ssh-ed25519', raw)
  const signature = signatureOf('ssh-ed25519', sign(null, DATA, ed25519.privateKey))
  t.ok(verifyUserSignature(blob, 'ssh-ed25519', signature, DATA))
  t.notOk(verifyUserSignature(blob, 'ssh-ed25519', signature, Buffer.from('another session')))
  t.notOk(verifyUserSignature(blob, 'rsa-sha2-512', signature, DATA), 'the algorithm must be one of the key')
  t.notOk(verifyUserSignature(blob, 'ssh-ed25519', Buffer.concat([signature, Buffer.alloc(1)]), DATA))
  t.notOk(verifyUserSignature(Buffer.concat([blob, Buffer.alloc(1)]), 'ssh-ed25519', signature, DATA))
})

t.test('ECDSA on the three curves', async t => {
  for (const [name, curve, hash] of [
    ['nistp256', 'P-256', 'sha256'],
    ['nistp384', 'P-384', 'sha384'],
    ['nistp521', 'P-521', 'sha512'],
  ] as const) {
    const pair = generateKeyPairSync('ec', { namedCurve: curve })
    const type = `ecdsa-sha2-${name}`
    const blob = blobOf(type, name, point(pair.publicKey))
    for (let i = 0; i < 20; i++) {
      t.ok(verifyUserSignature(blob, type, signatureOf(type, plainEcdsa(DATA, pair.privateKey, hash)), DATA))
    }
    const other = generateKeyPairSync('ec', { namedCurve: curve })
    t.notOk(verifyUserSignature(blob, type, signatureOf(type, plainEcdsa(DATA, other.privateKey, hash)), DATA))
  }
})

t.test('RSA with SHA-2, never with SHA-1, never under 2048 bits', async t => {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const { e, n } = pair.publicKey.export({ format: 'jwk' })
  const blob = blobOf('ssh-rsa', Buffer.from(e!, 'base64url'), mpint(Buffer.from(n!, 'base64url')))
  for (const [algorithm, hash] of [
    ['rsa-sha2-256', 'sha256'],
    ['rsa-sha2-512', 'sha512'],
  ] as const) {
    t.ok(verifyUserSignature(blob, algorithm, signatureOf(algorithm, sign(hash, DATA, pair.privateKey)), DATA))
  }
  t.notOk(verifyUserSignature(blob, 'ssh-rsa', signatureOf('ssh-rsa', sign('sha1', DATA, pair.privateKey)), DATA))
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const jwk = weak.publicKey.export({ format: 'jwk' })
  const weakBlob = blobOf('ssh-rsa', Buffer.from(jwk.e!, 'base64url'), mpint(Buffer.from(jwk.n!, 'base64url')))
  const signature = signatureOf('rsa-sha2-256', sign('sha256', DATA, weak.privateKey))
  t.notOk(verifyUserSignature(weakBlob, 'rsa-sha2-256', signature, DATA))
})

t.test('FIDO keys must have been touched', async t => {
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const keys = [
    {
      type: 'sk-ssh-ed25519@openssh.com',
      blob: blobOf('sk-ssh-ed25519@openssh.com', raw, 'ssh:'),
      signs: (bytes: Buffer) => sign(null, bytes, ed25519.privateKey),
    },
    {
      type: 'sk-ecdsa-sha2-nistp256@openssh.com',
      blob: blobOf('sk-ecdsa-sha2-nistp256@openssh.com', 'nistp256', point(ec.publicKey), 'ssh:'),
      signs: (bytes: Buffer) => plainEcdsa(bytes, ec.privateKey, 'sha256'),
    },
  ]
  for (const { type, blob, signs } of keys) {
    const fido = (flags: number) => {
      const state = Buffer.concat([Buffer.from([flags]), uint32(7)])
      const bytes = signs(Buffer.concat([sha256(Buffer.from('ssh:')), state, sha256(DATA)]))
      return Buffer.concat([signatureOf(type, bytes), state])
    }
    t.ok(verifyUserSignature(blob, type, fido(1), DATA))
    t.ok(verifyUserSignature(blob, type, fido(5), DATA), 'verified by PIN or finger as well')
    t.notOk(verifyUserSignature(blob, type, fido(0), DATA), 'nobody touched it')
    t.notOk(verifyUserSignature(blob, type, signatureOf(type, signs(DATA)), DATA), 'without the state that was signed')
  }
})

t.test('certificates and DSA are not taken', async t => {
  const signature = sign(null, DATA, ed25519.privateKey)
  for (const type of ['ssh-ed25519-cert-v01@openssh.com', 'ssh-dss', 'x']) {
    t.notOk(verifyUserSignature(blobOf(type, raw), type, signatureOf(type, signature), DATA))
  }
})
