import fc from 'fast-check'
import t from 'tap'
import { terminalSafeJson } from '../../../../src/shared/text/terminal-safe-json.ts'

t.test('what could act on a terminal is escaped, and reads back the same', async t => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: 'binary' }), value => {
      const json = JSON.stringify(value)
      const safe = terminalSafeJson(json)
      t.notMatch(safe, /[\p{Cc}\p{Cf}]/u)
      return JSON.stringify(JSON.parse(safe)) === json
    }),
  )
  const evil = 'del \x7f, CSI \u009b2J, right to left \u202e, a tag \u{e0041}'
  t.equal(
    terminalSafeJson(JSON.stringify(evil)),
    '"del \\u007f, CSI \\u009b2J, right to left \\u202e, a tag \\udb40\\udc41"',
  )
})
