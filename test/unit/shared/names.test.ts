import fc from 'fast-check'
import t from 'tap'
import { isRefusal } from '../../../src/shared/errors.ts'
import { parseLoginName } from '../../../src/shared/names.ts'

t.test('a login name with a byte that could be read in two ways is none', async () => {
  const plain = fc.stringMatching(/^[a-z0-9]{1,8}$/)
  const odd = fc.oneof(
    fc.constantFrom('\0', '\n', '\r', '\t', '\x1b', '\u202e', '\u200b', '\ufeff', '\ufffd', '/', '\\', '@', '%', "'"),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }).filter(one => !/^[A-Za-z0-9._+ -]$/.test(one)),
  )
  fc.assert(
    fc.property(plain, odd, plain, (before, character, after) =>
      [`${before}${character}${after}`, `${before}${character}`, `${character}${after}`].every(
        name => isRefusal(parseLoginName(name)) && isRefusal(parseLoginName(`alice+root+${name}`)),
      ),
    ),
  )
})
