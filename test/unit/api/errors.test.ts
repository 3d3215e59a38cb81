import t from 'tap'
import { answerFor } from '../../../src/api/errors.ts'
import { GatewayError, refuse } from '../../../src/shared/errors.ts'

t.test('codes become statuses, messages stay, causes never leave', async t => {
  const cause = new Error('connect ECONNREFUSED postgres://app:hunter2@db')
  const known = answerFor(new GatewayError('DATABASE_UNAVAILABLE', 'The database is away.', { cause }), 'req-1')
  t.match(known, { status: 503, unexpected: false, body: { error: { code: 'DATABASE_UNAVAILABLE' } } })
  t.notMatch(JSON.stringify(known.body), /hunter2|ECONNREFUSED/)

  const unknown = answerFor(cause, 'req-2')
  t.match(unknown, { status: 500, unexpected: true, body: { error: { code: 'INTERNAL', hint: /req-2/ } } })
  t.notMatch(JSON.stringify(unknown.body), /hunter2|ECONNREFUSED/)
})

t.test('a refusal keeps its detail for the audit log', async t => {
  const answer = answerFor(refuse('UNAUTHENTICATED', 'A valid token is needed.', 'the user carol is disabled'), 'req-3')
  t.match(answer, { status: 401, unexpected: false })
  t.notMatch(JSON.stringify(answer.body), /carol/)
})

t.test('a code without a status is a fault of ours, and is logged', async t => {
  t.match(answerFor(new GatewayError('INTERNAL', 'That should not be.'), 'req-4'), { status: 500, unexpected: true })
})
