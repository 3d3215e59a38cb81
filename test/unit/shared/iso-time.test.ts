import t from 'tap'
import { isoMinute, pastMinute } from '../../../src/shared/text/iso-time.ts'

t.test('nothing is said to be over too early, nor to have happened later than it did', async t => {
  const at = Date.parse('2026-11-28T09:32:00.552Z')
  t.equal(isoMinute(at), '2026-11-28 09:33 UTC')
  t.equal(pastMinute(at), '2026-11-28 09:32 UTC')
})
