import t from 'tap'
import { createConnectionLimits, type Place } from '../../../src/shared/connection-limits.ts'

const place = (entered: Place | string): Place => {
  if (typeof entered === 'string') throw new Error(entered)
  return entered
}

t.test('one source cannot hold all places of those who have not logged in', async t => {
  const limits = createConnectionLimits({ maxPerSource: 100, maxUnauthenticated: 8 })
  const first = place(limits.enter('192.0.2.1'))
  place(limits.enter('192.0.2.1'))
  t.equal(limits.enter('192.0.2.1'), 'without a login from one source')
  t.type(limits.enter('192.0.2.2'), 'object')
  first.authenticated()
  t.type(limits.enter('192.0.2.1'), 'object', 'who has logged in makes room')
})

t.test('all places together are bounded, and come back', async t => {
  const limits = createConnectionLimits({ maxPerSource: 100, maxUnauthenticated: 4 })
  const places = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'].map(address => place(limits.enter(address)))
  t.equal(limits.enter('192.0.2.5'), 'without a login in all')
  places[0]!.leave()
  places[0]!.leave()
  t.type(limits.enter('192.0.2.5'), 'object')
  t.equal(limits.enter('192.0.2.6'), 'without a login in all', 'leaving twice gives one place back')
})

t.test('the addresses of one IPv6 network are one source', async t => {
  const limits = createConnectionLimits({ maxPerSource: 2, maxUnauthenticated: 100 })
  place(limits.enter('2001:db8::1'))
  place(limits.enter('2001:db8::2'))
  t.equal(limits.enter('2001:db8::3'), 'from one source')
  t.type(limits.enter('2001:db8:0:1::1'), 'object')
})
