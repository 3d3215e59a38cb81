/** Strangers cost the audit log a bounded number of events a minute, none is left uncounted, and users do not drown in them. */

import t from 'tap'
import { type BoundedEventsOptions, boundEvents, MOST_A_MINUTE } from '../../../src/audit/bounded-events.ts'
import type { AuditEvent } from '../../../src/audit/event.ts'
import { createLog } from '../../../src/shared/log.ts'
import { standingClock } from '../../support/identity-parts.ts'

function start(append?: BoundedEventsOptions['audit']['append']) {
  const events: AuditEvent[] = []
  const clock = standingClock()
  const bounded = boundEvents({
    audit: { append: append ?? (async event => void events.push(event)) },
    clock,
    log: createLog('silent'),
    userOf: async login => (login.startsWith('alice') ? 'alice' : undefined),
  })
  const refuse = (source: string, login: string, code = 'LOGIN_REFUSED') =>
    bounded.append({ kind: 'login.refused', actor: 'unknown', session: 'ses_1', data: { source, login, code } })
  const knock = (source: string) =>
    bounded.append({ kind: 'connection.refused', actor: 'unknown', data: { source, code: 'TOO_MANY_CONNECTIONS' } })
  return { events, clock, bounded, refuse, knock }
}

/** How many refusals these events tell of. */
const tellOf = (events: AuditEvent[]) => events.reduce((sum, { data }) => sum + Number(data?.more ?? 1), 0)

t.test('a few are told one by one, as they are', async t => {
  const { events, refuse, bounded } = start()
  await refuse('192.0.2.1', 'root')
  await bounded.flush()
  t.same(events, [
    {
      kind: 'login.refused',
      actor: 'unknown',
      session: 'ses_1',
      data: { source: '192.0.2.1', login: 'root', code: 'LOGIN_REFUSED' },
    },
  ])
})

t.test('a flood of logins from one network is told twenty times, and then as one event with its facts', async t => {
  const { events, refuse, bounded, clock } = start()
  for (let i = 0; i < 300; i++) await refuse(`2001:db8::${i.toString(16)}`, `user${i % 250}`)
  clock.move(5000)
  await refuse('2001:db8::1', 'user1', 'LOGIN_NAME_INVALID')
  await bounded.flush()
  t.equal(events.length, 21)
  t.equal(tellOf(events), 301)
  t.match(events.at(-1), {
    kind: 'login.refused',
    actor: 'unknown',
    data: {
      more: 281,
      from: '2001:db8:0:0::/64',
      first: '2027-01-15T08:00:15.000Z',
      last: '2027-01-15T08:00:20.000Z',
      codes: { distinct: 2, some: { LOGIN_REFUSED: 280, LOGIN_NAME_INVALID: 1 } },
      logins: { distinct: 200 },
    },
  })
  t.equal(Object.keys((events.at(-1)!.data!.logins as { some: object }).some).length, 10)
})

t.test('what users are tried for is told apart, by user', async t => {
  const { events, refuse, bounded } = start()
  for (let i = 0; i < 500; i++) await refuse('192.0.2.1', `nobody${i}`)
  for (let i = 0; i < 15; i++) await refuse('192.0.2.1', 'alice+root+web-01')
  const told = events.filter(({ data }) => data!.login === 'alice+root+web-01')
  t.equal(told.length, 10, 'one by one, in the middle of the flood')
  await bounded.flush()
  t.match(
    events.find(({ data }) => data!.user === 'alice'),
    { data: { more: 5, sources: { some: { '192.0.2.1': 5 } } } },
  )
  t.equal(tellOf(events), 515)
})

t.test('whatever strangers do, a minute has no more events than the published bound, and all are counted', async t => {
  t.ok(MOST_A_MINUTE <= 720, String(MOST_A_MINUTE))
  const { events, refuse, knock, bounded } = start()
  const many = 3000
  for (let i = 0; i < many; i++) {
    const source = `10.${i >> 8}.${i & 255}.1`
    await refuse(source, i % 2 === 0 ? `alice${i}` : `nobody${i}`)
    await knock(source)
    await bounded.append({ kind: 'api.refused', actor: 'gateway', data: { source, reason: 'no token' } })
    await bounded.append({ kind: 'channel.denied', actor: 'alice', session: `ses_${i}`, data: { what: 'x11' } })
  }
  await bounded.flush()
  t.ok(events.length <= MOST_A_MINUTE, String(events.length))
  t.equal(tellOf(events), 4 * many)
  t.ok(events.some(({ data }) => data!.from === 'others'))
})

t.test('one session that is denied a channel again and again is counted as itself', async t => {
  const { events, bounded } = start()
  for (let i = 0; i < 1000; i++) {
    await bounded.append({ kind: 'channel.denied', actor: 'alice', session: 'ses_7', data: { what: 'x11' } })
  }
  await bounded.flush()
  t.equal(events.length, 51)
  t.match(events.at(-1), { actor: 'alice', session: 'ses_7', data: { more: 950, whats: { some: { x11: 950 } } } })
})

t.test('other events pass as they are, however many', async t => {
  const { events, bounded } = start()
  for (let i = 0; i < 500; i++) await bounded.append({ kind: 'login.accepted', actor: 'alice' })
  t.equal(events.length, 500)
})

t.test('what could not be written is told when it can be', async t => {
  const events: AuditEvent[] = []
  let gone = false
  const { knock, bounded } = start(async event => {
    if (gone) throw new Error('the store is gone')
    events.push(event)
  })
  for (let i = 0; i < 25; i++) await knock('192.0.2.1')
  gone = true
  await t.resolves(bounded.flush())
  await t.rejects(knock('192.0.2.1'), /gone/, 'what is told one by one says so to who tells it')
  for (let i = 0; i < 9; i++) await knock('192.0.2.1').catch(() => undefined)
  for (let i = 0; i < 5; i++) await knock('192.0.2.1')
  gone = false
  await bounded.flush()
  t.match(events.at(-1), { data: { more: 20, from: '192.0.2.1' } })
})
