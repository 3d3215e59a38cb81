import { BlockList, isIP } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import {
  canonicalAddress,
  localKind,
  localKindOfHost,
  spelledIPv4,
} from '../../../../src/shared/network/local-address.ts'

t.test('an address of the machine itself is known, whatever it is spelled like', async t => {
  const loopback = [
    ...['127.0.0.1', '127.0.1.1', '127.255.255.255', '127.1', '127.0.1', '127.65535', '2130706433', '017700000001'],
    ...['0177.0.0.1', '0x7f.0.0.1', '0x7f000001', '0X7F.1', '127.0.0.1.', '00000177.0.0.01', '127.0x0.0.0x1'],
    ...['::1', '0:0:0:0:0:0:0:1', '::0001', '::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:0:127.0.0.1', '::127.0.0.1'],
    ...['64:ff9b::127.0.0.1', '64:ff9b::7f00:1', '2002:7f00:1::', '2002:7f00:1:ffff::9', '::1%lo'],
    ...[
      'localhost',
      'LOCALHOST',
      'localhost.',
      'db.localhost',
      'localhost.localdomain',
      'localhost4',
      'localhost4.localdomain4',
      'ip6-localhost',
      'ip6-loopback',
    ],
  ]
  for (const host of loopback) t.equal(localKindOfHost(host), 'loopback', host)
  for (const host of ['0.0.0.0', '0', '0x', '0x0', '0.0', '::', '0::0', '::ffff:0.0.0.0', '0.1.2.3', '00']) {
    t.equal(localKindOfHost(host), 'unspecified', host)
  }
  const metadata = ['169.254.169.254', '2852039166', '0xa9fea9fe', '0251.0376.0251.0376', '169.254.43518']
  for (const host of [
    ...metadata,
    '169.254.0.0',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    'fe80::1',
    'febf::',
    'fe80::1%eth0',
  ]) {
    t.equal(localKindOfHost(host), 'link-local', host)
  }
  const clouds = ['fd00:ec2::254', 'fd00:0ec2:0::0254', 'fd20:ce::254', 'fd00:c1::a9fe:a9fe', 'fd00:42::42']
  for (const host of [...clouds, '100.100.100.200', '::ffff:168.63.129.16', '192.0.0.192'])
    t.equal(localKindOfHost(host), 'cloud metadata', host)
})

t.test('other addresses and names are not', async t => {
  const addresses = ['10.0.0.1', '192.168.1.127', '128.0.0.1', '126.255.255.255', '169.253.255.255', '169.255.0.0']
  const more = ['1.0.0.0', '2001:db8::1', 'fec0::1', 'fd00::1', '::ffff:10.0.0.1', '64:ff9b::10.0.0.1', '1::1']
  const names = [
    'localhost.example.com',
    'notlocalhost',
    'web-01',
    '0x7g',
    '1.2.3.4.5',
    '127.0.0.1.nip.io',
    '127-0-0-1',
    '',
  ]
  const broken = ['256.0.0.1', '127.0.0.256', '4294967296', '09.1', '127..1', '127.0.0.0.1', '-1']
  for (const host of [...addresses, ...more, ...names, ...broken]) t.equal(localKindOfHost(host), undefined, host)
})

t.test('every spelling of an IPv4 address is read as that address', async () => {
  const byte = fc.nat(255)
  const spelling = fc.constantFrom(
    (value: number) => String(value),
    (value: number) => `0${value.toString(8)}`,
    (value: number) => `0x${value.toString(16)}`,
    (value: number) => `0X00${value.toString(16).toUpperCase()}`,
  )
  fc.assert(
    fc.property(
      fc.tuple(byte, byte, byte, byte),
      fc.integer({ min: 1, max: 4 }),
      fc.array(spelling, { minLength: 4, maxLength: 4 }),
      (bytes, parts, spell) => {
        const head = bytes.slice(0, parts - 1)
        const rest = bytes.slice(parts - 1).reduce((sum, each) => sum * 256 + each, 0)
        const text = [...head, rest].map((value, index) => spell[index]!(value)).join('.')
        return spelledIPv4(text) === bytes.join('.')
      },
    ),
  )
})

t.test('what it says of an address is what Node says of its network', async () => {
  const local = new BlockList()
  for (const [network, prefix] of [
    ['127.0.0.0', 8],
    ['0.0.0.0', 8],
    ['169.254.0.0', 16],
  ] as const)
    local.addSubnet(network, prefix)
  const local6 = new BlockList()
  local6.addSubnet('fe80::', 10, 'ipv6')
  fc.assert(fc.property(fc.ipV4(), address => (localKind(address) !== undefined) === local.check(address)))
  fc.assert(
    fc.property(fc.ipV6(), address => {
      if (isIP(address) !== 6 || /^(?:0*:|::|2002:|0*64:)/i.test(address)) return true
      return (localKind(address) === 'link-local') === local6.check(address, 'ipv6')
    }),
  )
})

t.test('an address is the same as the IPv4-mapped one', async t => {
  t.equal(canonicalAddress('::ffff:10.1.2.3'), canonicalAddress('10.1.2.3'))
  t.not(canonicalAddress('::10.1.2.3'), canonicalAddress('10.1.2.3'))
  t.equal(canonicalAddress('2001:DB8::1'), canonicalAddress('2001:db8:0:0::1'))
})
