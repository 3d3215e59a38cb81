import ssh2 from 'ssh2'
import t from 'tap'
import { generateKeyPair } from '../../../../src/protocols/ssh/generate-key-pair.ts'

t.test('every key that is made can be read, and its halves belong together', async t => {
  // ssh2 alone makes about one in three hundred that cannot: a gateway with such a key would never start.
  for (let made = 0; made < 1500; made++) {
    const { public: line, secret } = generateKeyPair('ed25519')
    const key = ssh2.utils.parseKey(secret.revealBytes())
    if (key instanceof Error) throw key
    if (!line.includes(key.getPublicSSH().toString('base64'))) throw new Error('the halves differ')
  }
})
