import fc from 'fast-check'
import t from 'tap'
import { saslprep } from '../../../../src/protocols/postgres/target-side/saslprep.ts'

const prepared = (text: string) => saslprep(Buffer.from(text)).toString()

t.test('RFC 4013 §3, and what it forbids is used as it is', async t => {
  t.equal(prepared('I\u00adX'), 'IX')
  t.equal(prepared('user'), 'user')
  t.equal(prepared('USER'), 'USER')
  t.equal(prepared('\u00aa'), 'a')
  t.equal(prepared('\u2168'), 'IX')
  t.equal(prepared('a\u00a0b'), 'a b')
  t.equal(prepared('é\u0007'), 'é\u0007', 'a control character: as it is')
  t.equal(prepared('\u06271'), '\u06271', 'breaks the rule for right-to-left text: as it is')
})

t.test('a character younger than Unicode 3.2 leaves the whole password as it is', async t => {
  t.equal(prepared('Zu\u0308rich'), 'Z\u00fcrich')
  for (const young of ['\u{1f600}', '\u20b9', '\u{1d7ca}', '\u0221']) {
    const password = `Zu\u0308rich-${young}`
    t.equal(prepared(password), password)
  }
})

t.test('bytes that are no UTF-8 stay what they are', async t => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 20 }), bytes => {
      const password = Buffer.from([...bytes, 0xff])
      t.equal(saslprep(password), password)
    }),
  )
})
