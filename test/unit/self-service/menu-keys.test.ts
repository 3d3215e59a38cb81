import fc from 'fast-check'
import t from 'tap'
import { createKeyReader, type Key } from '../../../src/self-service/menu/keys.ts'

function keysOf(...pieces: string[]): string[] {
  const reader = createKeyReader()
  const keys = [...pieces.flatMap(piece => reader.push(Buffer.from(piece, 'latin1'))), ...reader.flush()]
  return keys.map(shown)
}

function shown(key: Key): string {
  return key.kind === 'text' ? `"${key.text}"` : key.kind
}

t.test('keys are known by what terminals send for them', async t => {
  t.same(keysOf('\x1b[A', '\x1bOB', '\x1b[5~', '\x1b[H', '\x1b[4~'), ['up', 'down', 'page-up', 'first', 'last'])
  t.same(keysOf('\x03', '\x06', '\x15', '\x7f', '\r'), ['interrupt', 'favourite', 'erase-line', 'backspace', 'enter'])
  t.same(keysOf('web\r'), ['"web"', 'enter'])
  t.same(keysOf('web\r\n'), ['"web"', 'enter'])
  t.same(keysOf('\x1b[1;5C', '\x1b[99~', '\x00'), [], 'what means nothing is none')
})

t.test('a key may come in pieces, and a letter too', async t => {
  t.same(keysOf('\x1b', '[', 'A'), ['up'])
  t.same(keysOf('\x1b'), ['escape'], 'nothing followed')
  t.same(keysOf('\x1bx'), ['escape', '"x"'])
  t.same(keysOf('\xc3', '\xb6'), ['"ö"'])
})

t.test('a line end with something behind it is a blank: nothing that is pasted is entered', async t => {
  t.same(keysOf('web-01\rrm -rf /\r'), ['"web-01"', '" "', '"rm -rf /"', 'enter'])
  t.same(keysOf('\x1b[200~a\rb\r\x1b[201~'), ['"a\rb\r"'])
  t.same(keysOf('\x1b[200~a', '\r', 'b\x1b[20', '1~c'), ['"a"', '"\r"', '"b"', '"c"'])
})

t.test(
  'property: whatever comes, in whatever pieces, is read to the end, and a marked paste enters nothing',
  async () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), pieces => {
        const reader = createKeyReader()
        for (const piece of pieces) reader.push(Buffer.from(piece))
        reader.flush()
        return !reader.waiting
      }),
    )
    const noEnd = fc.string().filter(text => !text.includes('\x1b'))
    fc.assert(
      fc.property(noEnd, fc.array(fc.nat(60)), (text, cuts) => {
        const bytes = Buffer.from(`\x1b[200~${text}\r\n\x1b[201~`)
        const reader = createKeyReader()
        const keys: Key[] = []
        let from = 0
        for (const cut of [...cuts, bytes.length]) {
          keys.push(...reader.push(bytes.subarray(from, from + cut)))
          from = Math.min(bytes.length, from + cut)
        }
        keys.push(...reader.flush())
        return keys.every(({ kind }) => kind === 'text')
      }),
    )
  },
)
