/** What is handed to a worker opens for that worker, once, and without the seed of one-time codes. */

import t from 'tap'
import { createReceiver, handOver } from '../../../src/gateway/workers/handed-credential.ts'
import { Secret } from '../../../src/shared/secret.ts'
import type { CredentialMaterial } from '../../../src/vault/lease.ts'

t.test('a password and a key arrive as they were', async t => {
  const receiver = createReceiver()
  const password = new Secret('p"ä\\ß ')
  const first = receiver.open(handOver({ kind: 'password', password }, receiver.publicKey))
  t.same(first.kind === 'password' && first.password.revealBytes(), password.revealBytes())

  const key: CredentialMaterial = {
    kind: 'private-key',
    publicKey: Buffer.from([0, 255, 1]),
    privateKey: new Secret(Buffer.alloc(5000, 7)),
    passphrase: new Secret('open'),
  }
  const other = createReceiver()
  const second = other.open(handOver(key, other.publicKey))
  if (second.kind !== 'private-key') throw new Error('another kind')
  t.same(second.publicKey, key.publicKey)
  t.same(second.privateKey.revealBytes(), key.privateKey.revealBytes())
  t.equal(second.passphrase!.reveal(), 'open')
})

t.test('the seed of one-time codes stays, and it is said that there are codes', async t => {
  const receiver = createReceiver()
  const handed = handOver(
    {
      ...{ kind: 'password', password: new Secret('x') },
      totp: { secret: new Secret('seed'), algorithm: 'sha1', digits: 6, period: 30 },
      nextCode: async () => new Secret('123456'),
    },
    receiver.publicKey,
  )
  t.equal(handed.codes, true)
  t.equal(receiver.open(handed).totp, undefined)
})

t.test('it opens for its receiver alone, and not where it was changed', async t => {
  const receiver = createReceiver()
  const handed = handOver({ kind: 'password', password: new Secret('secret') }, receiver.publicKey)
  t.notOk(Buffer.concat([handed.sealed, handed.mask]).includes('secret'))
  t.throws(() => createReceiver().open(handed))
  const sealed = Buffer.from(handed.sealed)
  sealed[3]! ^= 1
  t.throws(() => receiver.open({ ...handed, sealed }))
  t.throws(() => receiver.open({ ...handed, publicKey: createReceiver().publicKey }))
})
