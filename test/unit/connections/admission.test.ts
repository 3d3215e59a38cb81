import t from 'tap'
import { createAdmission } from '../../../src/connections/admission.ts'
import { createConnectionLimits, type Full, type Place } from '../../../src/connections/connection-limits.ts'
import { openSources } from '../../support/open-sources.ts'

function parts(patienceMs = 60_000) {
  const sources = openSources()
  const limits = createConnectionLimits({ maxPerSource: 100, maxUnauthenticated: 8, sources })
  const admission = createAdmission(limits, { mostWaiting: 4, mostOfOneSource: 3, patienceMs })
  t.teardown(() => admission.close())
  const enter = (address: string) => admission.enter(address, () => undefined)
  return { admission, enter, sources }
}

const seated = (place: Place | Full): Place => {
  if ('full' in place) throw new Error(place.full)
  return place
}

t.test('the next of a source that fills its share wait until one of them has logged in', async t => {
  const { enter } = parts()
  const first = seated(await enter('192.0.2.1'))
  seated(await enter('192.0.2.1'))
  const waiting = [enter('192.0.2.1'), enter('192.0.2.1')]
  first.authenticated()
  for (const place of await Promise.all(waiting)) t.notOk('full' in place)
})

t.test('or until one has left, each in turn', async t => {
  const { enter } = parts()
  const places = [seated(await enter('192.0.2.1')), seated(await enter('192.0.2.1'))]
  const order: string[] = []
  const note = (name: string) => (place: Place | Full) => {
    order.push(name)
    return place
  }
  const third = enter('192.0.2.1').then(note('third'))
  const fourth = enter('192.0.2.1').then(note('fourth'))
  places[0]!.leave()
  seated(await third).leave()
  seated(await fourth)
  t.same(order, ['third', 'fourth'])
})

t.test('so many may wait, and so long', async t => {
  const { enter } = parts(50)
  seated(await enter('192.0.2.1'))
  seated(await enter('192.0.2.1'))
  const waiting = [enter('192.0.2.1'), enter('192.0.2.1'), enter('192.0.2.1')]
  t.match(await enter('192.0.2.1'), { because: 'crowd' }, 'one too many of this source')
  for (const answer of await Promise.all(waiting)) t.match(answer, { because: 'crowd' }, 'their patience is over')
})

t.test('strangers who wait leave room for known sources to wait', async t => {
  const { admission, enter, sources } = parts()
  sources.loggedIn('192.0.2.1')
  const known = [seated(await enter('192.0.2.1'))]
  for (let i = 0; i < 3; i++) known.push(seated(await enter('192.0.2.1')))
  for (const stranger of ['198.51.100.1', '203.0.113.1']) for (let i = 0; i < 2; i++) seated(await enter(stranger))
  const waiting = ['198.51.100.1', '203.0.113.1'].flatMap(stranger => [enter(stranger), enter(stranger)])
  t.match(await enter('198.51.100.1'), { because: 'crowd' }, 'their room is full')
  const pool = enter('192.0.2.1')
  known[0]!.leave()
  seated(await pool)
  admission.close()
  await Promise.all(waiting)
})

t.test('who waits is told when the port closes', async t => {
  const { admission, enter } = parts()
  seated(await enter('192.0.2.1'))
  seated(await enter('192.0.2.1'))
  const waiting = enter('192.0.2.1')
  admission.close()
  t.match(await waiting, { because: 'crowd' })
})
