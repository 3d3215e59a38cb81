/** The times that people read of check-outs. */

import t from 'tap'
import { untilMinute } from '../../../src/check-out/words.ts'
import { isoMinute } from '../../../src/shared/text/iso-time.ts'

t.test('an end to come is never a minute that is over before it, one that was never a minute to come', async t => {
  const at = (seconds: string) => `2026-11-28T00:29:${seconds}.000Z`
  t.equal(isoMinute(Date.parse(at('00'))), '2026-11-28 00:29 UTC')
  t.equal(isoMinute(Date.parse(at('01'))), '2026-11-28 00:30 UTC')
  t.equal(untilMinute({ until: at('42'), endedAt: null }), '2026-11-28 00:30 UTC')
  t.equal(untilMinute({ until: at('50'), endedAt: at('42') }), '2026-11-28 00:29 UTC')
})
