/** A key counts as proven for what it has signed: this login name, this algorithm, this key, on the one connection that had this nonce. */

import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import t from 'tap'
import { keySignedFor } from '../../../../src/protocols/ssh/client-side/key-proof.ts'
import { boolean, string } from '../../../../src/shared/ssh-encoding/wire.ts'

const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const type = 'ssh-ed25519'
const blob = Buffer.concat([string(type), string(Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url'))])
const nonce = randomBytes(16)

/** What a key exchange hashes, with this cookie in the server's KEXINIT. */
function beginningWith(cookie: Buffer, number = 20): Buffer {
  const kexinit = (own: Buffer) => Buffer.concat([Buffer.of(number), own, Buffer.alloc(60, 7)])
  const fields = ['SSH-2.0-client', 'SSH-2.0-server', kexinit(nonce), kexinit(cookie), 'key', 'e', 'f', 'secret']
  return Buffer.concat(fields.map(field => string(field)))
}

interface Changes {
  login?: string
  key?: Buffer
  beginning?: Buffer
  session?: Buffer
  method?: string
  after?: Buffer
}

function proof(changes: Changes = {}) {
  const { beginning = beginningWith(nonce) } = changes
  const data = Buffer.concat([
    string(changes.session ?? createHash('sha256').update(beginning).digest()),
    Buffer.of(50),
    string(changes.login ?? 'alice+root+web-01'),
    string('ssh-connection'),
    string(changes.method ?? 'publickey'),
    boolean(true),
    string(type),
    string(changes.key ?? blob),
    changes.after ?? Buffer.alloc(0),
  ])
  const signature = Buffer.concat([string(type), string(sign(null, data, privateKey))])
  return { kind: 'publickey', blob, signed: { algorithm: type, data, signature, beginning } } as const
}

t.test('a signature over this login proves the key on its connection', async t => {
  t.ok(keySignedFor(proof(), 'alice+root+web-01', nonce))
  const long = beginningWith(nonce)
  const session = createHash('sha512').update(long).digest()
  t.ok(keySignedFor(proof({ session, beginning: long }), 'alice+root+web-01', nonce), 'by a longer hash')
})

t.test('nothing else does', async t => {
  const right = proof()
  const other = Buffer.concat([string(type), string(Buffer.alloc(32, 1))])
  const { beginning: _, ...bare } = right.signed
  for (const [what, shown, login] of [
    ['another login', right, 'bob+root+web-01'],
    ['no signature', { kind: 'publickey', blob }, 'alice+root+web-01'],
    ['another key that is said to have signed', { ...right, blob: other }, 'alice+root+web-01'],
    ['another key in what was signed', proof({ key: other }), 'alice+root+web-01'],
    ['another method', proof({ method: 'hostbased' }), 'alice+root+web-01'],
    ['more behind it', proof({ after: Buffer.of(0) }), 'alice+root+web-01'],
    ['no connection', proof({ session: Buffer.alloc(0) }), 'alice+root+web-01'],
    ['no message at all', { ...right, signed: { ...right.signed, data: Buffer.alloc(3) } }, 'alice+root+web-01'],
    ['a connection that nothing is said of', { ...right, signed: bare }, 'alice+root+web-01'],
    ['another hash', proof({ session: Buffer.alloc(32, 5) }), 'alice+root+web-01'],
    ['a hash that no exchange has', proof({ session: createHash('sha1').update('x').digest() }), 'alice+root+web-01'],
    ['no KEXINIT', proof({ beginning: beginningWith(nonce, 21) }), 'alice+root+web-01'],
    ['a beginning that breaks off', proof({ beginning: string('SSH-2.0-client') }), 'alice+root+web-01'],
    ['nothing as a beginning', proof({ beginning: Buffer.alloc(0) }), 'alice+root+web-01'],
  ] as const) {
    t.notOk(keySignedFor(shown, login, nonce), what)
  }
})

t.test('what was signed on another connection, however long ago, is worth nothing on this one', async t => {
  const earlier = proof({ beginning: beginningWith(randomBytes(16)) })
  t.notOk(keySignedFor(earlier, 'alice+root+web-01', nonce))
  const exchanged = { ...earlier, signed: { ...earlier.signed, beginning: beginningWith(nonce) } }
  t.notOk(keySignedFor(exchanged, 'alice+root+web-01', nonce), 'with the beginning of this one')
})
