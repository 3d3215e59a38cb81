import t from 'tap'
import { createSources, type Fault } from '../../../src/connections/sources.ts'

const SECOND = 1000
const DAY = 86_400 * SECOND

function parts(isExempt?: (address: string) => boolean) {
  let now = 0
  const told: Fault[] = []
  const sources = createSources({
    rules: {
      knownForMs: DAY,
      penaltyMs: { silence: SECOND, failure: 5 * SECOND, slow: 10 * SECOND, violation: 30 * SECOND },
      leastMs: 15 * SECOND,
      longestMs: 600 * SECOND,
    },
    onPenalty: fault => void told.push(fault),
    ...(isExempt && { isExempt }),
    now: () => now,
  })
  return {
    sources,
    told,
    move(ms: number) {
      now += ms
    },
  }
}

t.test('faults add up until a source is held off, and it is let in again when they are over', async t => {
  const { sources, move, told } = parts()
  for (let i = 0; i < 2; i++) sources.blame('192.0.2.1', 'failure')
  t.equal(sources.standing('192.0.2.1'), 'unknown')
  sources.blame('192.0.2.1', 'failure')
  t.equal(sources.standing('192.0.2.1'), 'penalised')
  t.equal(sources.standing('192.0.2.2'), 'unknown', 'nobody else is')
  move(14_999)
  t.equal(sources.standing('192.0.2.1'), 'penalised', 'until all of it is over')
  move(1)
  t.equal(sources.standing('192.0.2.1'), 'unknown')
  t.same(told, ['failure', 'failure', 'failure'])
})

t.test('what is slow enough is never held off', async t => {
  const { sources, move } = parts()
  for (let i = 0; i < 1000; i++) {
    sources.blame('192.0.2.1', 'silence')
    move(2 * SECOND)
  }
  t.equal(sources.standing('192.0.2.1'), 'unknown')
})

t.test('the next time costs twice as much, up to the longest', async t => {
  const { sources, move } = parts()
  const heldFor = () => {
    sources.blame('192.0.2.1', 'violation')
    let seconds = 0
    while (sources.standing('192.0.2.1') === 'penalised') {
      move(SECOND)
      seconds++
    }
    return seconds
  }
  t.same([heldFor(), heldFor(), heldFor()], [30, 60, 120])
  for (let i = 0; i < 5; i++) heldFor()
  t.equal(heldFor(), 600)
  move(3600 * SECOND + 1)
  t.equal(heldFor(), 30, 'forgotten after an hour')
})

t.test('many addresses of one network get all of it held off, but for who is known there', async t => {
  const { sources } = parts()
  sources.loggedIn('192.0.2.200')
  for (let i = 0; i < 24; i++) sources.blame(`192.0.2.${i}`, 'failure')
  t.equal(sources.standing('192.0.2.99'), 'penalised')
  t.equal(sources.standing('192.0.2.200'), 'known')
  t.equal(sources.standing('192.0.3.1'), 'unknown')
  for (let i = 0; i < 24; i++) sources.blame(`2001:db8:7:${i}::1`, 'failure')
  t.equal(sources.standing('2001:db8:7:ffff::1'), 'penalised')
})

t.test('whoever logged in lately is never held off, and for their own faults a unknown at most', async t => {
  const { sources, move } = parts()
  sources.loggedIn('192.0.2.1')
  t.equal(sources.standing('192.0.2.1'), 'known')
  for (let i = 0; i < 10; i++) sources.blame('192.0.2.1', 'failure')
  t.equal(sources.standing('192.0.2.1'), 'suspect')
  move(DAY)
  t.equal(sources.standing('192.0.2.1'), 'unknown', 'known for a day')
})

t.test('exempt addresses are never blamed', async t => {
  const { sources, told } = parts(address => address === '192.0.2.1')
  for (let i = 0; i < 100; i++) sources.blame('192.0.2.1', 'violation')
  t.equal(sources.standing('192.0.2.1'), 'unknown')
  t.same(told, [])
})

t.test('millions of sources take bounded memory', async t => {
  const { sources } = parts()
  sources.blame('192.0.2.1', 'violation')
  for (let i = 0; i < 40_000; i++)
    sources.blame(`2001:db8:${(i >> 8).toString(16)}:${(i & 255).toString(16)}::1`, 'silence')
  t.equal(sources.standing('192.0.2.1'), 'unknown', 'the oldest is forgotten')
})
