import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { openEnvelope, sealEnvelope } from '../../../src/vault/envelope.ts'
import { KeyEncryptionKey } from '../../../src/vault/key-encryption-key.ts'

const newKey = () => new KeyEncryptionKey(randomBytes(32))
const key = newKey()

t.test('what was sealed opens again, for any bytes and any purpose', async t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 4096 }), fc.string({ unit: 'binary' }), (bytes, purpose) => {
      t.same(openEnvelope(key, purpose, sealEnvelope(key, purpose, bytes)), Buffer.from(bytes))
    }),
    { numRuns: 100 },
  )
})

t.test('any flipped bit is found out', async t => {
  const sealed = sealEnvelope(key, 'credential root@web-01 v3', Buffer.from('hunter2'))
  for (let at = 0; at < sealed.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const changed = Buffer.from(sealed, 'latin1')
      changed[at]! ^= 1 << bit
      t.throws(() => openEnvelope(key, 'credential root@web-01 v3', changed.toString('latin1')), {
        name: 'GatewayError',
        code: /^VAULT_(DAMAGED|KEY_MISMATCH)$/,
      })
    }
  }
})

t.test('a value that is cut, lengthened or spelled otherwise is found out', async t => {
  const sealed = sealEnvelope(key, 'p', Buffer.from('hunter2'))
  for (let length = 0; length < sealed.length; length++) {
    t.throws(() => openEnvelope(key, 'p', sealed.slice(0, length)), { code: 'VAULT_DAMAGED' })
  }
  for (const other of [
    `${sealed}A`,
    `${sealed}=`,
    ` ${sealed}`,
    `${sealed}\n`,
    sealed.replace('v1', 'v2'),
    `${sealed}.A`,
  ]) {
    t.throws(() => openEnvelope(key, 'p', other), { code: 'VAULT_DAMAGED' })
  }
})

t.test('a value of one account or version does not open in the place of another', async t => {
  const places = ['root@web-01 v1', 'root@web-01 v2', 'root@web-02 v1', 'dba@web-01 v1', 'root@web-01 v11']
  for (const place of places) {
    const sealed = sealEnvelope(key, `credential ${place}`, Buffer.from('hunter2'))
    for (const other of places.filter(other => other !== place)) {
      t.throws(() => openEnvelope(key, `credential ${other}`, sealed), { code: 'VAULT_DAMAGED' })
    }
  }
})

t.test('the wrapped key of one value does not open another value of the same purpose', async t => {
  const [one, two] = [1, 2].map(n => sealEnvelope(key, 'p', Buffer.from(`hunter${n}`)).split('.'))
  t.throws(() => openEnvelope(key, 'p', [...one!.slice(0, 3), two![3]].join('.')), { code: 'VAULT_DAMAGED' })
})

t.test('another key is told by its id; a forged id does not help', async t => {
  const other = newKey()
  const sealed = sealEnvelope(other, 'p', Buffer.from('hunter2'))
  t.throws(() => openEnvelope(key, 'p', sealed), { code: 'VAULT_KEY_MISMATCH', message: new RegExp(other.id) })
  t.throws(() => openEnvelope(key, 'p', sealed.replace(other.id, key.id)), { code: 'VAULT_DAMAGED' })
})

t.test('the same bytes are sealed differently every time, under data keys of their own', async t => {
  const texts = Array.from({ length: 50 }, () => sealEnvelope(key, 'p', Buffer.from('hunter2')))
  for (const part of [2, 3]) t.equal(new Set(texts.map(text => text.split('.')[part])).size, 50)
})

t.test('a key shows its id and nothing else', async t => {
  const bytes = randomBytes(32)
  const spelled = [bytes.toString('hex'), bytes.toString('base64')]
  const shown = new KeyEncryptionKey(bytes)
  for (const text of spelled) t.notMatch(inspect(shown, { showHidden: true, depth: 9 }) + JSON.stringify(shown), text)
  t.ok(
    bytes.every(byte => byte === 0),
    'the bytes it was made from are erased',
  )
})
