import fc from 'fast-check'
import t from 'tap'
import { boolean, message, string, uint32, WireError, WireReader } from '../../../../src/shared/ssh-encoding/wire.ts'

t.test('what is written is read back', async t => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.string(), fc.nat(0xffffffff), fc.boolean(), (bytes, text, number, flag) => {
      const reader = new WireReader(message(7, string(bytes), string(text), uint32(number), boolean(flag)))
      t.equal(reader.byte(), 7)
      t.ok(reader.string().equals(Buffer.from(bytes)))
      t.equal(reader.utf8(), Buffer.from(text).toString('utf8'))
      t.equal(reader.uint32(), number)
      t.equal(reader.boolean(), flag)
      t.ok(reader.atEnd)
    }),
    { numRuns: 50 },
  )
})

t.test('a length that points past the end is refused, and nothing is allocated for it', async t => {
  for (const length of [1, 2 ** 31, 0xffffffff]) t.throws(() => new WireReader(uint32(length)).string(), WireError)
  t.throws(() => new WireReader(Buffer.alloc(3)).uint32(), WireError)
  t.throws(() => new WireReader(Buffer.alloc(7)).uint64(), WireError)
  t.throws(() => new WireReader(Buffer.alloc(0)).byte(), WireError)
})

t.test('an empty list has no names', async t => {
  t.same(new WireReader(string('')).nameList(), [])
  t.same(new WireReader(string('a,b')).nameList(), ['a', 'b'])
})
