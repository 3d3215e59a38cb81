/** Documents are parsed once for each text that the store has of them. */

import t from 'tap'
import { rememberParsed } from '../../../src/database/parsed-texts.ts'

t.test('the same text is parsed once, another text anew', async t => {
  const parsed: string[] = []
  const read = rememberParsed(text => {
    parsed.push(text)
    return JSON.parse(text) as { name: string }
  })
  const first = read('{"name":"a"}')
  t.equal(read('{"name":"a"}'), first)
  t.strictSame(read('{"name":"a","roles":[]}'), { name: 'a', roles: [] })
  t.equal(parsed.length, 2)
})

t.test('what everybody shares nobody changes', async t => {
  const read = rememberParsed(text => JSON.parse(text) as { roles: string[]; limits: { hours: string[] } })
  const shared = read('{"roles":["ops"],"limits":{"hours":["mon"]}}')
  t.throws(() => shared.roles.push('admin'), TypeError)
  t.throws(() => shared.limits.hours.push('tue'), TypeError)
})

t.test('what was asked for the longest ago makes room', async t => {
  const parsed: string[] = []
  const read = rememberParsed(text => {
    parsed.push(text)
    return { text }
  }, 6)
  for (const text of ['aaa', 'bbb', 'aaa', 'ccc', 'aaa', 'bbb']) read(text)
  t.strictSame(parsed, ['aaa', 'bbb', 'ccc', 'bbb'])
  read('a text longer than all the room')
  read('a text longer than all the room')
  t.equal(parsed.length, 6, 'and takes none')
})

t.test('a text that cannot be parsed is not remembered', async t => {
  const read = rememberParsed(text => JSON.parse(text))
  t.throws(() => read('{'), SyntaxError)
  t.throws(() => read('{'), SyntaxError)
})
