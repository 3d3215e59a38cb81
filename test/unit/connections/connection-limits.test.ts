import t from 'tap'
import { type ConnectionSlot, createConnectionLimits, type NoSlot } from '../../../src/connections/connection-limits.ts'
import { openSources } from '../../support/open-sources.ts'

interface Given {
  readonly maxPerSource?: number
  readonly maxUnauthenticated: number
  readonly random?: () => number
}

/** Limits whose clock stands until it is moved; `cut` is who was cut, by the names they were given. */
function limitsWith({ maxPerSource = 100, maxUnauthenticated, random = () => 0.999 }: Given) {
  const sources = openSources()
  const cut: string[] = []
  let now = 0
  const limits = createConnectionLimits({ maxPerSource, maxUnauthenticated, sources, now: () => now, random })
  const acquire = (address: string, name = address): ConnectionSlot | NoSlot =>
    limits.acquire(address, () => void cut.push(name))
  return {
    sources,
    cut,
    acquire,
    open(address: string, name?: string): ConnectionSlot {
      const slot = acquire(address, name)
      if ('full' in slot) throw new Error(slot.full)
      return slot
    },
    move(ms: number) {
      now += ms
    },
  }
}

/** Addresses of that many different networks. */
const strangers = (count: number) => Array.from({ length: count }, (_, i) => `10.${i >> 8}.${i & 255}.1`)

t.test('one source cannot hold all slots of those who have not logged in', async t => {
  const { open, acquire } = limitsWith({ maxUnauthenticated: 8 })
  const first = open('192.0.2.1')
  open('192.0.2.1')
  t.match(acquire('192.0.2.1'), { full: 'without a login from one source', because: 'crowd' })
  t.notOk('full' in acquire('192.0.2.2'))
  first.authenticated()
  t.notOk('full' in acquire('192.0.2.1'), 'who has logged in makes room')
})

t.test('nor can the addresses of one network', async t => {
  const { open, acquire } = limitsWith({ maxUnauthenticated: 8 })
  for (let i = 0; i < 4; i++) open(`192.0.2.${i}`)
  t.match(acquire('192.0.2.9'), { full: 'without a login from 192.0.2.0/24' })
  const other = limitsWith({ maxUnauthenticated: 8 })
  for (let i = 0; i < 4; i++) other.open(`2001:db8:7:${i}::1`)
  t.match(other.acquire('2001:db8:7:9::1'), { full: 'without a login from 2001:db8:7::/48' })
  t.notOk('full' in other.acquire('2001:db8:8::1'))
})

t.test('strangers fill three quarters; slots come back, each once', async t => {
  const { open, acquire } = limitsWith({ maxUnauthenticated: 8 })
  const slots = strangers(6).map(address => open(address))
  t.match(acquire('192.0.2.5'), { full: 'without a login in all', because: 'all' })
  slots[0]!.release()
  slots[0]!.release()
  open('192.0.2.5')
  t.match(acquire('192.0.2.6'), { because: 'all' }, 'leaving twice gives one slot back')
})

t.test('however many strangers there are, a source that logged in lately gets in', async t => {
  const { open, acquire, sources } = limitsWith({ maxUnauthenticated: 200 })
  sources.loggedIn('192.0.2.1')
  let refused = 0
  for (const address of strangers(5000)) if ('full' in acquire(address)) refused++
  t.equal(refused, 5000 - 150)
  for (let i = 0; i < 50; i++) open('192.0.2.1')
})

t.test('a pool of a source that logged in lately may open many at once', async t => {
  const { acquire, sources } = limitsWith({ maxUnauthenticated: 200 })
  sources.loggedIn('192.0.2.1')
  for (let i = 0; i < 80; i++) t.notOk('full' in acquire('192.0.2.1'))
})

t.test('a newcomer takes the slot of who has been silent for longest', async t => {
  const { open, acquire, cut, move } = limitsWith({ maxUnauthenticated: 8 })
  const [first, second] = strangers(6).map(address => open(address))
  t.ok('full' in acquire('192.0.2.1'), 'not at once: an honest client needs a moment')
  move(1000)
  second!.reached('opening')
  t.notOk('full' in acquire('192.0.2.1'))
  t.same(cut, ['10.0.0.1'])
  first!.release()
  move(3000)
  for (let i = 0; i < 5; i++) open(`198.51.${i}.1`)
  t.same(cut.slice(1), ['10.0.2.1', '10.0.3.1', '10.0.4.1', '10.0.5.1', '192.0.2.1'], 'who said something stays longer')
  open('203.0.113.1')
  t.same(cut.at(-1), '10.0.1.1')
})

t.test('whoever holds slots open behind an address makes room for the others there', async t => {
  const { open, acquire, cut, move, sources } = limitsWith({ maxPerSource: 5, maxUnauthenticated: 8 })
  open('192.0.2.1', 'first')
  open('192.0.2.1', 'second')
  t.match(acquire('192.0.2.1'), { because: 'crowd' })
  move(3000)
  open('192.0.2.1', 'third').authenticated()
  for (let i = 0; i < 3; i++) open('192.0.2.1', 'more')
  t.same(cut, ['first'])
  t.equal(sources.standing('192.0.2.1'), 'known')
  t.notOk('full' in acquire('192.0.2.1'))
  t.same(cut, ['first', 'second'])
  t.match(acquire('192.0.2.1'), { because: 'source' }, 'those who have just come are left alone')
})

t.test('those in the middle of a login go last', async t => {
  const { open, acquire, cut, move } = limitsWith({ maxUnauthenticated: 8 })
  for (const address of strangers(6)) {
    const slot = open(address)
    slot.reached('opening')
    slot.reached('login')
    slot.reached('silent')
  }
  move(29_999)
  t.ok('full' in acquire('192.0.2.1'))
  move(1)
  t.notOk('full' in acquire('192.0.2.1'))
  t.same(cut, ['10.0.0.1'])
})

t.test('from the half on, chance decides where nobody can go', async t => {
  let dice = 0
  const { open, acquire } = limitsWith({ maxUnauthenticated: 8, random: () => dice })
  for (const address of strangers(4)) open(address)
  t.ok('full' in acquire('192.0.2.1'))
  dice = 0.3
  t.notOk('full' in acquire('192.0.2.1'))
  t.ok('full' in acquire('192.0.3.1'), 'the fuller it is, the smaller the chance')
})

t.test('the addresses of one IPv6 network are one source', async t => {
  const { open, acquire } = limitsWith({ maxPerSource: 2, maxUnauthenticated: 100 })
  open('2001:db8::1')
  open('2001:db8::2')
  t.match(acquire('2001:db8::3'), { full: 'from one source', because: 'source' })
  t.notOk('full' in acquire('2001:db8:0:1::1'))
})
