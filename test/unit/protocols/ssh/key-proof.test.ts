/** A key counts as proven for what it has signed: this login name, this algorithm, this key, one connection. */

import { generateKeyPairSync, sign } from 'node:crypto'
import t from 'tap'
import { createKeyProofs } from '../../../../src/gateway/workers/key-proofs.ts'
import { sessionOfKeyProof } from '../../../../src/protocols/ssh/client-side/key-proof.ts'
import { boolean, string } from '../../../../src/shared/ssh-encoding/wire.ts'

const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const type = 'ssh-ed25519'
const blob = Buffer.concat([string(type), string(Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url'))])
const connection = Buffer.alloc(32, 5)

function proof(changes: { login?: string; key?: Buffer; session?: Buffer; method?: string; after?: Buffer } = {}) {
  const data = Buffer.concat([
    string(changes.session ?? connection),
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
  return { kind: 'publickey', blob, signed: { algorithm: type, data, signature } } as const
}

t.test('a signature over this login proves the key for its connection', async t => {
  t.equal(sessionOfKeyProof(proof(), 'alice+root+web-01'), connection.toString('hex'))
})

t.test('nothing else does', async t => {
  const right = proof()
  const other = Buffer.concat([string(type), string(Buffer.alloc(32, 1))])
  for (const [what, shown, login] of [
    ['another login', right, 'bob+root+web-01'],
    ['no signature', { kind: 'publickey', blob }, 'alice+root+web-01'],
    ['another key that is said to have signed', { ...right, blob: other }, 'alice+root+web-01'],
    ['another key in what was signed', proof({ key: other }), 'alice+root+web-01'],
    ['another method', proof({ method: 'hostbased' }), 'alice+root+web-01'],
    ['more behind it', proof({ after: Buffer.of(0) }), 'alice+root+web-01'],
    ['no connection', proof({ session: Buffer.alloc(0) }), 'alice+root+web-01'],
    ['no message at all', { ...right, signed: { ...right.signed, data: Buffer.alloc(3) } }, 'alice+root+web-01'],
  ] as const) {
    t.equal(sessionOfKeyProof(shown, login), undefined, what)
  }
})

t.test("a connection's signatures are one session's", async t => {
  const proofs = createKeyProofs()
  t.ok(proofs.isOf('c1', 'ses_1'))
  t.ok(proofs.isOf('c1', 'ses_1'), 'several keys of one client')
  t.notOk(proofs.isOf('c1', 'ses_2'), 'shown again')
})
