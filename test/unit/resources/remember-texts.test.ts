import t from 'tap'
import { rememberTexts } from '../../../src/resources/remember-texts.ts'

t.test('what was asked for the longest ago is forgotten first, and no more is kept than is said', async t => {
  const remembered = rememberTexts<string>(350)
  const said = 'x'.repeat(100)
  for (const text of ['a', 'b', 'c']) remembered.set(text, said)
  t.equal(remembered.get('a'), said)
  remembered.set('d', said)
  t.strictSame(
    ['a', 'b', 'c', 'd'].filter(text => remembered.get(text) !== undefined),
    ['a', 'c', 'd'],
  )
  remembered.set('d', 'y')
  t.equal(remembered.get('d'), 'y')
  remembered.set('too much', 'x'.repeat(1000))
  t.equal(remembered.get('too much'), undefined)
})
