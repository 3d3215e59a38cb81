import { isIPv6 } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import { createLocalCluster } from '../../../src/cluster/local.ts'
import { createLockout, waitAfter } from '../../../src/identity/lockout.ts'
import { networkOf } from '../../../src/shared/source-network.ts'
import { standingClock } from '../../support/identity-parts.ts'

const MINUTE = 60_000

function parts() {
  const clock = standingClock()
  return { clock, lockout: createLockout(createLocalCluster({ clock, gateway: 'gw_one' })) }
}

t.test('the first failures are free, then each wait is twice the last, up to 15 minutes', async t => {
  t.same(
    [0, 1, 5].map(count => waitAfter(count, 5)),
    [0, 0, 0],
  )
  t.same(
    [6, 7, 8, 9].map(count => waitAfter(count, 5)),
    [2000, 4000, 8000, 16_000],
  )
  for (const count of [15, 16, 100, 10_000]) t.equal(waitAfter(count, 5), 15 * MINUTE)
})

t.test('failures lock what was guessed at, for that user alone, until the wait is over', async t => {
  const { clock, lockout } = parts()
  const fail = async (address: string) =>
    lockout.failed('alice', 'password', address, await lockout.locks('alice', address))
  for (let i = 0; i < 6; i++) await fail(`192.0.2.${i}`)
  t.same(await lockout.locks('alice', '192.0.2.99'), { password: true, totp: false })
  t.same(await lockout.locks('bob', '192.0.2.99'), { password: false, totp: false })
  clock.move(1999)
  t.ok((await lockout.locks('alice', '192.0.2.99')).password)
  clock.move(1)
  t.notOk((await lockout.locks('alice', '192.0.2.99')).password)
  await fail('192.0.2.7')
  clock.move(3999)
  t.ok((await lockout.locks('alice', '192.0.2.99')).password, 'the next wait is longer')
})

t.test('tries while locked do not make the wait longer', async t => {
  const { clock, lockout } = parts()
  for (let i = 0; i < 6; i++) await lockout.failed('alice', 'totp', `192.0.2.${i}`, { password: false, totp: false })
  for (let i = 0; i < 50; i++) {
    await lockout.failed('alice', 'totp', '192.0.2.9', await lockout.locks('alice', '192.0.2.9'))
  }
  clock.move(2000)
  t.same(await lockout.locks('alice', '192.0.2.9'), { password: false, totp: false })
})

t.test('a proof forgets the failures of its own kind, never those of the other kind or of the source', async t => {
  const { lockout } = parts()
  for (let i = 0; i < 6; i++) await lockout.failed('alice', 'totp', '192.0.2.1', { password: false, totp: false })
  await lockout.proven('alice', ['password'])
  t.ok((await lockout.locks('alice', '192.0.2.2')).totp, 'who knows the password has no more tries at the code')
  await lockout.proven('alice', ['totp'])
  t.notOk((await lockout.locks('alice', '192.0.2.2')).totp)
  for (let i = 0; i < 15; i++)
    await lockout.failed(undefined, 'password', '192.0.2.1', { password: false, totp: false })
  t.ok((await lockout.locks('bob', '192.0.2.1')).password, '21 failures from one source, a success between them')
})

t.test('a source that guesses at many names is locked for all, known or not', async t => {
  const { clock, lockout } = parts()
  for (let i = 0; i < 21; i++)
    await lockout.failed(undefined, 'password', '2001:db8::1', { password: false, totp: false })
  const locked = { password: true, totp: true }
  t.same(await lockout.locks('alice', '2001:db8::1'), locked)
  t.same(await lockout.locks(undefined, '2001:db8::ffff:1'), locked, 'the same /64')
  t.same(await lockout.locks('alice', '2001:db8:0:1::1'), { password: false, totp: false }, 'another /64')
  clock.move(2000)
  t.same(await lockout.locks('alice', '2001:db8::1'), { password: false, totp: false })
})

t.test('names that do not exist leave no counters behind, and are never locked by name', async t => {
  const { clock } = parts()
  const cluster = createLocalCluster({ clock, gateway: 'gw_one' })
  const keys = new Set<string>()
  const count = (key: string, ttlMs: number) => {
    keys.add(key)
    return cluster.count(key, ttlMs)
  }
  const lockout = createLockout({ ...cluster, count })
  for (let i = 0; i < 12; i++) {
    const address = `192.0.2.${i}`
    await lockout.failed(undefined, 'password', address, await lockout.locks(undefined, address))
  }
  t.equal([...keys].filter(key => !key.includes(':from:')).length, 1)
  t.same(await lockout.locks(undefined, '192.0.2.99'), { password: false, totp: false })
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
  ]
  for (const [address, network] of cases) t.equal(networkOf(address), network)
  fc.assert(
    fc.property(fc.ipV6(), address => {
      const network = networkOf(address)
      t.ok(isIPv6(network.replace('/64', '')) || !network.includes('/'), `${address} → ${network}`)
    }),
  )
})
