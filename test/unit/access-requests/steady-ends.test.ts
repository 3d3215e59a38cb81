/** The end of approved access is a whole number of milliseconds, as the store takes it, whatever the process's own clock counts in. */

import t from 'tap'
import { createSteadyEnds } from '../../../src/access-requests/steady-ends.ts'

t.test('a clock that counts parts of milliseconds makes no end of them', async t => {
  let steady = 0.7
  const endOf = createSteadyEnds({ now: () => 1000, monotonic: () => steady })
  t.equal(endOf('req_1', 5000, 1000), 5000)
  steady += 100.25
  t.equal(endOf('req_1', 5000, 1000), 4900)
})
