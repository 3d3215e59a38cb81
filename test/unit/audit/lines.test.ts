import fc from 'fast-check'
import t from 'tap'
import { link } from '../../../src/audit/chain/chain.ts'
import { formatLine, parseLine } from '../../../src/audit/copy/line.ts'
import { testSigner } from '../../support/test-signer.ts'

const signer = testSigner()

t.test('whatever the data, a line reads back as what was hashed', async t => {
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()), fc.string(), (data, actor) => {
      const stored = JSON.stringify(data)
      const event = { at: 1, gateway: 'gw_1', kind: 'login.refused', actor, session: 'ses_1', data: stored }
      const row = link({ seq: 8, hash: 'abc' }, event, signer)
      const line = formatLine(row)
      t.notMatch(line, /\n/)
      t.same(parseLine(line), row)
    }),
    { numRuns: 100 },
  )
})

t.test('no line of garbage is taken, and none throws', async t => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), line => parseLine(line) === undefined),
    { numRuns: 300 },
  )
  t.equal(parseLine('null'), undefined)
  t.equal(parseLine('[]'), undefined)
})
