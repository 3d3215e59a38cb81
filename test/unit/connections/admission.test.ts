import t from 'tap'
import { createAdmission } from '../../../src/connections/admission.ts'
import { type ConnectionSlot, createConnectionLimits, type NoSlot } from '../../../src/connections/connection-limits.ts'
import { openSources } from '../../support/open-sources.ts'

function parts(patienceMs = 60_000) {
  const sources = openSources()
  const limits = createConnectionLimits({ maxPerSource: 100, maxUnauthenticated: 8, sources })
  const admission = createAdmission(limits, { mostWaiting: 4, mostOfOneSource: 3, patienceMs })
  t.teardown(() => admission.close())
  const acquire = (address: string) => admission.acquire(address, () => undefined)
  return { admission, acquire, sources }
}

const inSlot = (slot: ConnectionSlot | NoSlot): ConnectionSlot => {
  if ('full' in slot) throw new Error(slot.full)
  return slot
}

t.test('the next of a source that fills its share wait until one of them has logged in', async t => {
  const { acquire } = parts()
  const first = inSlot(await acquire('192.0.2.1'))
  inSlot(await acquire('192.0.2.1'))
  const waiting = [acquire('192.0.2.1'), acquire('192.0.2.1')]
  first.authenticated()
  for (const slot of await Promise.all(waiting)) t.notOk('full' in slot)
})

t.test('or until one has left, each in turn', async t => {
  const { acquire } = parts()
  const slots = [inSlot(await acquire('192.0.2.1')), inSlot(await acquire('192.0.2.1'))]
  const order: string[] = []
  const note = (name: string) => (slot: ConnectionSlot | NoSlot) => {
    order.push(name)
    return slot
  }
  const third = acquire('192.0.2.1').then(note('third'))
  const fourth = acquire('192.0.2.1').then(note('fourth'))
  slots[0]!.release()
  inSlot(await third).release()
  inSlot(await fourth)
  t.same(order, ['third', 'fourth'])
})

t.test('so many may wait, and so long', async t => {
  const { acquire } = parts(50)
  inSlot(await acquire('192.0.2.1'))
  inSlot(await acquire('192.0.2.1'))
  const waiting = [acquire('192.0.2.1'), acquire('192.0.2.1'), acquire('192.0.2.1')]
  t.match(await acquire('192.0.2.1'), { because: 'crowd' }, 'one too many of this source')
  for (const answer of await Promise.all(waiting)) t.match(answer, { because: 'crowd' }, 'their patience is over')
})

t.test('strangers who wait leave room for known sources to wait', async t => {
  const { admission, acquire, sources } = parts()
  sources.loggedIn('192.0.2.1')
  const known = [inSlot(await acquire('192.0.2.1'))]
  for (let i = 0; i < 3; i++) known.push(inSlot(await acquire('192.0.2.1')))
  for (const unknown of ['198.51.100.1', '203.0.113.1']) for (let i = 0; i < 2; i++) inSlot(await acquire(unknown))
  const waiting = ['198.51.100.1', '203.0.113.1'].flatMap(unknown => [acquire(unknown), acquire(unknown)])
  t.match(await acquire('198.51.100.1'), { because: 'crowd' }, 'their room is full')
  const pool = acquire('192.0.2.1')
  known[0]!.release()
  inSlot(await pool)
  admission.close()
  await Promise.all(waiting)
})

t.test('who waits is told when the port closes', async t => {
  const { admission, acquire } = parts()
  inSlot(await acquire('192.0.2.1'))
  inSlot(await acquire('192.0.2.1'))
  const waiting = acquire('192.0.2.1')
  admission.close()
  t.match(await waiting, { because: 'crowd' })
})
