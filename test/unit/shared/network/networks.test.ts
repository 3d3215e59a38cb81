import fc from 'fast-check'
import t from 'tap'
import { inNetworks, normalizeAddress, parseNetwork } from '../../../../src/shared/network/networks.ts'

t.test('addresses lie in their networks and in no others', async t => {
  t.ok(inNetworks(['10.0.0.0/8'], '10.1.2.3'))
  t.notOk(inNetworks(['10.0.0.0/8'], '11.0.0.1'))
  t.ok(inNetworks(['192.0.2.7'], '192.0.2.7'))
  t.notOk(inNetworks(['192.0.2.7'], '192.0.2.8'))
  t.ok(inNetworks(['2001:db8::/32'], '2001:DB8:0:0::1'))
  t.notOk(inNetworks(['2001:db8::/32'], '2001:db9::1'))
  t.ok(inNetworks(['203.0.113.0/24', '0.0.0.0/0'], '8.8.8.8'))
  t.notOk(inNetworks(['0.0.0.0/0'], '2001:db8::1'), 'all of IPv4 is nothing of IPv6')
  t.ok(inNetworks(['fe80::/10'], 'fe80::1%eth0'))
})

t.test('an IPv4 peer of a socket for both families is the IPv4 address that it is', async t => {
  t.ok(inNetworks(['10.0.0.0/8'], '::ffff:10.1.2.3'))
  t.ok(inNetworks(['10.0.0.0/8'], '::FFFF:a01:203'))
  t.ok(inNetworks(['::ffff:10.0.0.0/104'], '10.1.2.3'))
  t.notOk(inNetworks(['10.0.0.0/8'], '::ffff:11.1.2.3'))
  t.notOk(inNetworks(['::/0'], '::ffff:10.1.2.3'), 'and not an IPv6 address')
  t.equal(normalizeAddress('::ffff:192.0.2.1'), '192.0.2.1')
  t.equal(normalizeAddress('0:0:0:0:0:FFFF:C000:0201'), '192.0.2.1')
})

t.test('what is no network is refused, and holds nobody', async t => {
  const wrong = [
    '',
    'x',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0/8',
    '::/129',
    '10.0.0.0/',
    '::ffff:10.0.0.0/8',
    '01.2.3.4',
    'fe80::1%eth0/64',
    '10.0.0.0/8 ',
  ]
  for (const text of wrong) {
    t.equal(parseNetwork(text), undefined, text)
    t.notOk(inNetworks([text], '10.0.0.1'), text)
  }
  for (const address of ['', 'localhost', '10.0.0.1, 10.0.0.2'])
    t.notOk(inNetworks(['0.0.0.0/0', '::/0'], address), address)
  t.notOk(inNetworks([], '10.0.0.1'))
})

t.test('property: an address lies in a network just when their first bits are the same', async () => {
  const bits = (address: string) =>
    address
      .split('.')
      .map(Number)
      .reduce((all, byte) => all * 256n + BigInt(byte), 0n)
  fc.assert(
    fc.property(
      fc.ipV4(),
      fc.ipV4(),
      fc.integer({ min: 0, max: 32 }),
      fc.boolean(),
      (network, address, prefix, mapped) => {
        const expected = bits(network) >> BigInt(32 - prefix) === bits(address) >> BigInt(32 - prefix)
        return inNetworks([`${network}/${prefix}`], mapped ? `::ffff:${address}` : address) === expected
      },
    ),
  )
})
