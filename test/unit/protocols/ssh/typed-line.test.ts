/** A line that is typed at a raw terminal. */

import fc from 'fast-check'
import t from 'tap'
import { type Typed, TypedLine } from '../../../../src/protocols/ssh/waiting/typed-line.ts'

function typed(text: string | Buffer, pieces = 1): Typed {
  const bytes = Buffer.from(text)
  const line = new TypedLine()
  let last: Typed = { is: 'typing', echo: '' }
  for (let at = 0; at < bytes.length && last.is === 'typing'; at += pieces)
    last = line.push(bytes.subarray(at, at + pieces))
  return last
}

t.test('it is edited, and what is not seen is not in it', async t => {
  for (const [text, line] of [
    ['disk is full\r', 'disk is full'],
    ['  diskk\x7f \n', 'disk'],
    ['wrong\x15größe 大\r', 'größe 大'],
    ['a\x1b[Db\x1bOAc\r', 'abc'],
    ['a\x00\x07\u202eb\r', 'ab'],
    ['\x04a\r', undefined],
    ['a\x04\r', 'a'],
    ['a\x1b[\x03', undefined],
  ] as const) {
    for (const pieces of [1, 100])
      t.match(typed(text, pieces), line === undefined ? { is: 'given-up' } : { is: 'line', line }, JSON.stringify(text))
  }
})

t.test('what is shown of it cannot act on the terminal, and it is bounded, whatever is sent', async t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), bytes => {
      const line = new TypedLine()
      const came = line.push(Buffer.from(bytes))
      const echo = came.is === 'given-up' ? '' : came.echo.replaceAll('\b \b', '')
      return !/\p{C}/u.test(echo) && (came.is !== 'line' || [...came.line].length <= 500)
    }),
  )
  t.pass('for all of them')
})
