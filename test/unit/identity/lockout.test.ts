import { isIPv6 } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import { createLocalCluster } from '../../../src/cluster/local.ts'
import { createLockout, type LockedOut, waitAfter } from '../../../src/identity/lockout.ts'
import { networkOf, widerNetworkOf } from '../../../src/shared/network/source-network.ts'
import { standingClock } from '../../support/identity-parts.ts'

const MINUTE = 60_000

const RULE = { tries: 6, firstWaitMs: 2000, longestWaitMs: 15 * MINUTE }
const OPEN = { password: false, totp: false, known: false }

function parts() {
  const clock = standingClock()
  const cluster = createLocalCluster({ clock, gateway: 'gw_one' })
  const told: LockedOut[] = []
  const lockout = createLockout({ cluster, rule: RULE, onLocked: locked => void told.push(locked) })
  const fail = async (user: string | undefined, address: string) =>
    lockout.failed(user, 'password', address, await lockout.locks(user, address))
  return { clock, lockout, fail, told }
}

t.test('the first failures are free, then each wait is twice the last, up to the longest', async t => {
  t.same(
    [0, 1, 5].map(count => waitAfter(count, RULE)),
    [0, 0, 0],
  )
  t.same(
    [6, 7, 8, 9].map(count => waitAfter(count, RULE)),
    [2000, 4000, 8000, 16_000],
  )
  for (const count of [15, 16, 100, 10_000]) t.equal(waitAfter(count, RULE), 15 * MINUTE)
})

t.test('failures lock what was guessed at, for that user alone, until the wait is over', async t => {
  const { clock, lockout, fail } = parts()
  for (let i = 0; i < 6; i++) await fail('alice', `192.0.2.${i}`)
  t.same(await lockout.locks('alice', '192.0.2.99'), { password: true, totp: false, known: false })
  t.same(await lockout.locks('bob', '192.0.2.99'), OPEN)
  clock.move(1999)
  t.ok((await lockout.locks('alice', '192.0.2.99')).password)
  clock.move(1)
  t.notOk((await lockout.locks('alice', '192.0.2.99')).password)
  await fail('alice', '192.0.2.7')
  clock.move(3999)
  t.ok((await lockout.locks('alice', '192.0.2.99')).password, 'the next wait is longer')
})

t.test('tries while locked do not make the wait longer', async t => {
  const { clock, lockout } = parts()
  for (let i = 0; i < 6; i++) await lockout.failed('alice', 'totp', `192.0.2.${i}`, OPEN)
  for (let i = 0; i < 50; i++) {
    await lockout.failed('alice', 'totp', '192.0.2.9', await lockout.locks('alice', '192.0.2.9'))
  }
  clock.move(2000)
  t.same(await lockout.locks('alice', '192.0.2.9'), OPEN)
})

t.test('a proof forgets the failures of its own kind, never those of the other kind or of the source', async t => {
  const { lockout } = parts()
  for (let i = 0; i < 6; i++) await lockout.failed('alice', 'totp', '192.0.2.1', OPEN)
  await lockout.proven('alice', ['password'], '192.0.2.1', OPEN)
  t.ok((await lockout.locks('alice', '192.0.2.2')).totp, 'who knows the password has no more tries at the code')
  await lockout.proven('alice', ['totp'], '192.0.2.1', OPEN)
  t.notOk((await lockout.locks('alice', '192.0.2.2')).totp)
  for (let i = 0; i < 14; i++) await lockout.failed(undefined, 'password', '192.0.2.1', OPEN)
  t.ok((await lockout.locks('bob', '192.0.2.1')).password, 'failures from one source, a success between them')
})

t.test('a source that guesses at many names is locked for all, known or not', async t => {
  const { clock, lockout } = parts()
  for (let i = 0; i < 20; i++) await lockout.failed(undefined, 'password', '2001:db8::1', OPEN)
  const locked = { password: true, totp: false, known: false }
  t.same(await lockout.locks('alice', '2001:db8::1'), locked)
  t.same(await lockout.locks(undefined, '2001:db8::ffff:1'), locked, 'the same /64')
  t.same(await lockout.locks('alice', '2001:db8:0:1::1'), OPEN, 'another /64')
  clock.move(2000)
  t.same(await lockout.locks('alice', '2001:db8::1'), OPEN)
})

t.test('a stranger who guesses holds nobody up where they logged in lately, nor anybody else there', async t => {
  const { lockout, fail, told } = parts()
  await lockout.loggedIn('alice', '192.0.2.1')
  for (let i = 0; i < 40; i++) await fail('alice', `203.0.113.${i}`)
  t.ok((await lockout.locks('alice', '203.0.113.77')).password, 'elsewhere it is locked')
  t.same(await lockout.locks('alice', '192.0.2.1'), { ...OPEN, known: true })
  t.match(told, [{ user: 'alice', factor: 'password', network: undefined, tries: 6, lockedForMs: 2000 }])

  for (let i = 0; i < 25; i++) await fail(undefined, '192.0.2.1')
  t.ok((await lockout.locks('bob', '192.0.2.1')).password, 'the source is locked, for those whom it does not know')
  t.same(await lockout.locks('alice', '192.0.2.1'), { ...OPEN, known: true }, 'and not for alice')
})

t.test('where a user is known, guesses have a limit too', async t => {
  const { lockout, fail, told } = parts()
  await lockout.loggedIn('alice', '192.0.2.1')
  for (let i = 0; i < 40; i++) await fail('alice', '192.0.2.1')
  t.ok((await lockout.locks('alice', '192.0.2.1')).password)
  t.equal(told.length, 1, 'tries while it is locked are not counted')
  t.notOk((await lockout.locks('alice', '203.0.113.1')).password, 'and elsewhere she can still log in')
  t.match(await lockout.failuresOf('alice'), [
    { factor: 'password', network: '192.0.2.1', tries: 6, lockedForMs: 2000 },
  ])
  await lockout.unlock('alice')
  t.same(await lockout.failuresOf('alice'), [])
  t.notOk((await lockout.locks('alice', '192.0.2.1')).password)
})

t.test('a known source is forgotten after a month, and of many the oldest', async t => {
  const { lockout, clock } = parts()
  await lockout.loggedIn('alice', '192.0.2.1')
  clock.move(29 * 24 * 60 * MINUTE)
  t.ok((await lockout.locks('alice', '192.0.2.1')).known)
  t.notOk((await lockout.locks('bob', '192.0.2.1')).known, "another user's")
  for (let i = 0; i < 40; i++) await lockout.loggedIn('alice', `203.0.113.${i}`)
  t.notOk((await lockout.locks('alice', '192.0.2.1')).known)
  t.ok((await lockout.locks('alice', '203.0.113.39')).known)
  clock.move(31 * 24 * 60 * MINUTE)
  t.notOk((await lockout.locks('alice', '203.0.113.39')).known)
})

t.test('a network whose addresses guess in turns is locked as a whole', async t => {
  const { lockout, fail } = parts()
  for (let i = 0; i < 200; i++) await fail(undefined, `2001:db8:7:${i.toString(16)}::1`)
  t.ok((await lockout.locks('bob', '2001:db8:7:ffff::1')).password, 'the same /48')
  t.notOk((await lockout.locks('bob', '2001:db8:8::1')).password, 'another one')
})

t.test('names that do not exist leave no counters behind, and are never locked by name', async t => {
  const { clock } = parts()
  const cluster = createLocalCluster({ clock, gateway: 'gw_one' })
  const keys = new Set<string>()
  const count = (key: string, ttlMs: number) => {
    keys.add(key)
    return cluster.count(key, ttlMs)
  }
  const lockout = createLockout({ cluster: { ...cluster, count }, rule: RULE })
  for (let i = 0; i < 12; i++) {
    const address = `192.0.2.${i}`
    await lockout.failed(undefined, 'password', address, await lockout.locks(undefined, address))
  }
  t.equal([...keys].filter(key => !key.includes(':from:')).length, 1)
  t.same(await lockout.locks(undefined, '192.0.2.99'), OPEN)
})

t.test('the network of an address is itself for IPv4, and its /64 for IPv6, however it is spelled', async t => {
  const cases: [string, string][] = [
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::FFFF:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:0001:2::', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['1::', '1:0:0:0::/64'],
    ['::ffff:c000:207', '192.0.2.7'],
  ]
  for (const [address, network] of cases) t.equal(networkOf(address), network)
  fc.assert(
    fc.property(fc.ipV6(), address => {
      const network = networkOf(address)
      t.ok(isIPv6(network.replace('/64', '')) || !network.includes('/'), `${address} → ${network}`)
    }),
  )
})

t.test('the network around an address is its /24 for IPv4, and its /48 for IPv6', async t => {
  const cases: [string, string][] = [
    ['192.0.2.7', '192.0.2.0/24'],
    ['::ffff:192.0.2.7', '192.0.2.0/24'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1::/48'],
    ['::1', '0:0:0::/48'],
    ['unknown', 'unknown'],
  ]
  for (const [address, network] of cases) t.equal(widerNetworkOf(address), network)
})
