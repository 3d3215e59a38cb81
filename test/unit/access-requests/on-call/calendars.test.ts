/** Calendars by HTTP from a real server on loopback, and from files: read beside everything else, with a copy that counts for a time. */

import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { createCalendars } from '../../../../src/access-requests/on-call/calendars.ts'
import { createCalendarReader } from '../../../../src/access-requests/on-call/read-on-thread.ts'
import { calendarsSchema } from '../../../../src/config/outside-facts.ts'
import { makeCertificates } from '../../../support/certificates.ts'
import { standingClock } from '../../../support/identity-parts.ts'

const HOUR = 3_600_000
const ALICE = { name: 'alice', email: 'Alice@example.com' }
const BOB = { name: 'bob', email: 'bob@example.com' }

const stamp = (ms: number) => new Date(ms).toISOString().replace(/[-:]|\.\d{3}/g, '')
const shift = (from: number, to: number, ...lines: string[]) =>
  [
    ...['BEGIN:VCALENDAR', 'BEGIN:VEVENT', 'UID:1', `DTSTART:${stamp(from)}`, `DTEND:${stamp(to)}`],
    ...[...lines, 'END:VEVENT', 'END:VCALENDAR', ''],
  ].join('\r\n')

async function served(t: Test, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/ops.ics?token=secret`
}

function calendarsOf(t: Test, settings: object) {
  const clock = standingClock()
  const told: [string | undefined, boolean][] = []
  const calendars = createCalendars({
    calendars: calendarsSchema.parse({ ops: settings }),
    clock,
    told: (_, failure, changed) => void told.push([failure, changed]),
  })
  t.teardown(() => calendars.close())
  return { calendars, clock, told }
}

test('somebody is on call while a shift of theirs lasts, by the address of their entry or a name of the configuration', async t => {
  const clock = standingClock()
  const now = clock.now()
  const text = shift(now - HOUR, now + HOUR, 'ATTENDEE:mailto:ALICE@example.com', 'SUMMARY:On Call - Bob Baker - Ops')
  const url = await served(t, (_, response) => response.end(text))
  const { calendars } = calendarsOf(t, { url, allowLocal: true })
  await calendars.read('ops')
  const is = (person: { name: string; email?: string }, at: number, of = calendars) => of.onCall('ops', person, at).is
  t.equal(is(ALICE, now), 'on-call')
  t.equal(is(ALICE, now - HOUR), 'on-call')
  t.equal(is(ALICE, now + HOUR), 'not-on-call')
  t.equal(is(ALICE, now - HOUR - 1000), 'not-on-call')
  t.equal(is(BOB, now), 'not-on-call')
  t.equal(is({ name: 'alice' }, now), 'not-on-call')
  t.match(calendars.states(), [{ now: ['alice@example.com'], next: undefined }])
  t.match(calendars.onCall('dev', ALICE, now), { is: 'unknown', why: /no calendar dev/ })

  const byName = calendarsOf(t, { url, allowLocal: true, person: 'summary', names: { 'On Call - Bob*': 'bob' } })
  await byName.calendars.read('ops')
  t.equal(is(BOB, now, byName.calendars), 'on-call')
  t.equal(is(ALICE, now, byName.calendars), 'not-on-call')
  const mapped = calendarsOf(t, { url, allowLocal: true, names: { 'alice@Example.com': 'bob' } })
  await mapped.calendars.read('ops')
  t.match(mapped.calendars.states(), [{ now: ['bob'] }])
  t.equal(is(BOB, now, mapped.calendars), 'on-call')
  t.equal(is(ALICE, now, mapped.calendars), 'not-on-call')
})

test('it is said who is on call now, and who next and when', async t => {
  const clock = standingClock()
  const now = clock.now()
  const next = now + 3 * HOUR
  const text = [
    shift(now + 5 * HOUR, now + 6 * HOUR, 'ATTENDEE:mailto:late@example.com'),
    shift(next, next + HOUR, 'ATTENDEE:mailto:b@example.com', 'ATTENDEE:mailto:carol@example.com'),
    shift(now - HOUR, now + HOUR, 'ATTENDEE:mailto:a@example.com').replace('UID:1', 'UID:2'),
  ]
  const events = text.map((one, index) => one.replace('UID:1', `UID:${index}`).split('\r\n').slice(1, -2).join('\r\n'))
  const url = await served(t, (_, response) =>
    response.end(['BEGIN:VCALENDAR', ...events, 'END:VCALENDAR', ''].join('\r\n')),
  )
  const names = { 'B@example.com': 'bob' }
  const { calendars, clock: own } = calendarsOf(t, { url, allowLocal: true, names, keep: '1d' })
  t.match(calendars.states(), [{ now: undefined, next: undefined }], 'before it is read nobody can say')
  await calendars.read('ops')
  t.strictSame(calendars.states()[0]!.now, ['a@example.com'])
  t.strictSame(calendars.states()[0]!.next, { at: next, who: ['bob', 'carol@example.com'] })
  own.move(2 * HOUR)
  t.strictSame(calendars.states()[0]!.now, [])
})

test('the last good copy counts for a time, and then nobody can say', async t => {
  let listener: RequestListener = (_, response) => response.end(text)
  const url = await served(t, (request, response) => listener(request, response))
  const { calendars, clock, told } = calendarsOf(t, { url, allowLocal: true, refresh: '5m', keep: '1h' })
  const text = shift(clock.now() - HOUR, clock.now() + 9 * HOUR, 'ATTENDEE:mailto:alice@example.com')
  await calendars.read('ops')
  listener = (_, response) => response.writeHead(503).end()
  await calendars.read('ops')
  await calendars.read('ops')
  clock.move(HOUR)
  t.equal(calendars.onCall('ops', ALICE, clock.now()).is, 'on-call')
  clock.move(HOUR)
  t.match(calendars.onCall('ops', ALICE, clock.now()), {
    is: 'unknown',
    why: /was read last at .*: its server answered 503/,
  })
  t.match(calendars.states(), [{ calendar: 'ops', shifts: 1, failure: 'its server answered 503' }])
  listener = (_, response) => response.end(text)
  await calendars.read('ops')
  t.equal(calendars.onCall('ops', ALICE, clock.now()).is, 'on-call')
  t.strictSame(
    told.filter(([, changed]) => changed),
    [
      [undefined, true],
      ['its server answered 503', true],
      [undefined, true],
    ],
  )
})

test('a server that redirects, hangs, or never ends, and a file that is none: nobody can say, and no URL is repeated', async t => {
  const folder = t.testdir({ 'url.txt': 'ftp://example.com/x', 'empty.ics': '', 'good.ics': '' })
  const redirects = await served(t, (_, response) =>
    response.writeHead(302, { location: 'http://169.254.169.254/' }).end(),
  )
  const hangs = await served(t, () => undefined)
  const floods = await served(t, (_, response) => {
    response.on('error', () => undefined)
    const more = () => void (response.destroyed || response.write(Buffer.alloc(1 << 20, 65), more))
    more()
  })
  const good = await served(t, (_, response) => response.end(shift(0, 1)))
  const cases: [object, RegExp][] = [
    [{ url: redirects, allowLocal: true }, /redirects \(302\), which is not followed/],
    [{ url: hangs, allowLocal: true, timeout: '1s' }, /no answer within 1000 ms/],
    [{ url: floods, allowLocal: true }, /the answer is too long/],
    [{ url: good.replace('http:', 'https:'), allowLocal: false }, /allowLocal/],
    [{ urlFile: join(folder, 'url.txt') }, /does not hold one URL with https/],
    [{ urlFile: join(folder, 'none.txt') }, /urlFile cannot be read/],
    [{ file: join(folder, 'none.ics') }, /file cannot be read: ENOENT/],
    [{ file: folder }, /it is no file/],
    [{ file: join(folder, 'empty.ics') }, /it is no iCalendar text/],
    [{ file: '/dev/zero' }, /it is no file/],
  ]
  for (const [settings, why] of cases) {
    const { calendars, clock } = calendarsOf(t, settings)
    await calendars.read('ops')
    const answer = calendars.onCall('ops', ALICE, clock.now())
    t.match(answer, { is: 'unknown', why }, String(why))
    t.notMatch(JSON.stringify(answer), /token=secret/)
  }
  const file = join(folder, 'good.ics')
  const { calendars, clock } = calendarsOf(t, { file })
  await calendars.read('ops')
  await writeFile(file, shift(clock.now() - HOUR, clock.now() + HOUR, 'ATTENDEE:mailto:alice@example.com'))
  await calendars.read('ops')
  t.equal(calendars.onCall('ops', ALICE, clock.now()).is, 'on-call')
})

test('an event that cannot be read leaves its own people in doubt, and nobody else', async t => {
  const folder = t.testdir({})
  const file = join(folder, 'ops.ics')
  const { calendars, clock } = calendarsOf(t, { file })
  const now = clock.now()
  const bad = [
    'BEGIN:VEVENT',
    'UID:2',
    `DTSTART:${stamp(now)}`,
    'DURATION:PT1H',
    'RRULE:FREQ=SOMETIMES',
    'SUMMARY:night',
  ]
  const text = (...who: string[]) =>
    shift(now - HOUR, now + HOUR, 'ATTENDEE:mailto:alice@example.com', 'END:VEVENT', ...bad, ...who)
  await writeFile(file, text('ATTENDEE:mailto:bob@example.com'))
  await calendars.read('ops')
  const eve = { name: 'eve', email: 'eve@example.com' }
  t.equal(calendars.onCall('ops', ALICE, now).is, 'on-call')
  t.match(calendars.onCall('ops', BOB, now), {
    is: 'unknown',
    why: /has an event that cannot be read: night: of its RRULE/,
  })
  t.equal(calendars.onCall('ops', eve, now).is, 'not-on-call')
  await writeFile(file, text('ATTENDEE'))
  await calendars.read('ops')
  t.equal(calendars.onCall('ops', ALICE, now).is, 'on-call')
  t.equal(calendars.onCall('ops', eve, now).is, 'unknown', 'it may be of anybody')
})

test('by https, a calendar is read from a server whose certificate leads to the CA of its settings, and no other', async t => {
  const folder = t.testdir({})
  const { caFile, certificateFile, keyFile } = await makeCertificates(join(folder, 'own'))
  const other = await makeCertificates(join(folder, 'other'))
  const client = await other.forClient('localhost')
  const at = async (certificate: string, key: string) => {
    const server = createSecureServer({ cert: await readFile(certificate), key: await readFile(key) })
    const { clock } = calendarsOf(t, { file: '/none' })
    server.on('request', (_, response) =>
      response.end(shift(clock.now() - HOUR, clock.now() + HOUR, 'ATTENDEE:mailto:alice@example.com')),
    )
    await once(server.listen(0, '127.0.0.1'), 'listening')
    t.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    return `:${(server.address() as AddressInfo).port}/ops.ics?token=secret`
  }
  const path = await at(certificateFile, keyFile)
  const ofOther = await at(client.certificateFile, client.keyFile)
  for (const [settings, expected] of [
    [{ url: `https://localhost${path}`, caFile }, { is: 'on-call' }],
    [{ url: `https://127.0.0.1${path}`, caFile }, { is: 'on-call' }],
    [{ url: `https://localhost${path}` }, { is: 'unknown', why: /could not be reached \(\w+\)/ }],
    [
      { url: `https://localhost${path}`, caFile: other.caFile },
      { is: 'unknown', why: /could not be reached/ },
    ],
    [
      { url: `https://127.0.0.2${path}`, caFile },
      { is: 'unknown', why: /could not be reached/ },
    ],
    [
      { url: `https://localhost${ofOther}`, caFile: other.caFile },
      { is: 'unknown', why: /could not be reached/ },
    ],
    [{ url: `http://localhost${path}`, caFile }, { is: 'unknown' }],
    [
      { url: `https://localhost${path}`, caFile: '/none' },
      { is: 'unknown', why: /its caFile cannot be used/ },
    ],
    [
      { url: `https://localhost${path}`, caFile: keyFile },
      { is: 'unknown', why: /its caFile cannot be used/ },
    ],
  ] as const) {
    const { calendars, clock } = calendarsOf(t, { ...settings, allowLocal: true })
    await calendars.read('ops')
    const answer = calendars.onCall('ops', ALICE, clock.now())
    t.match(answer, expected, JSON.stringify(settings))
    t.notMatch(JSON.stringify(answer), /token=secret/)
  }
})

test('a calendar that takes too long is given up', async t => {
  const span = { from: 0, until: 1e13, person: 'attendee' } as const
  const text = shift(0, HOUR, 'RRULE:FREQ=SECONDLY', 'ATTENDEE:mailto:alice@example.com')
  await t.rejects(createCalendarReader(1)(text, span), { message: 'it could not be read within 0.001 s' })
  const read = createCalendarReader()
  t.match(await read(text, span), { shifts: [], problems: { first: [/recurs too often/] } })
  t.equal((await read(shift(0, HOUR, 'ATTENDEE:mailto:alice@example.com'), span)).shifts.length, 1)
})
