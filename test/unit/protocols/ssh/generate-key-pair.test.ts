import t from 'tap'
import { generateKeyPair } from '../../../../src/protocols/ssh/transport/generate-key-pair.ts'
import { ssh2 } from '../../../../src/protocols/ssh/transport/ssh2-internals.ts'

t.test('every key that is made can be read, and its halves belong together', async t => {
  // ssh2 alone makes about one in three hundred that cannot: a gateway with such a key would never start.
  const bad = Array.from({ length: 1500 }, () => generateKeyPair('ed25519')).filter(({ public: line, secret }) => {
    const key = ssh2.utils.parseKey(secret.revealBytes())
    return key instanceof Error || !line.includes(key.getPublicSSH().toString('base64'))
  })
  t.equal(bad.length, 0)
})
