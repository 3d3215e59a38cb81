import t from 'tap'
import { factsOf } from '../../../src/cli/commands/audit/facts.ts'

t.test('what an event says is in one line, with lists of things by their own facts', async t => {
  t.equal(factsOf({ result: 'closed', counts: { left: 0 }, none: null }), 'result=closed counts.left=0')
  t.equal(factsOf({ hosts: ['a', 'b', 'c', 'd'] }), 'hosts=a, b, c and 1 more')
  t.equal(
    factsOf({ sessions: [{ session: 'ses_1', closed: { client: true } }] }),
    'sessions=(session=ses_1 closed.client=true)',
  )
})
