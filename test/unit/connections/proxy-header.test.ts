import fc from 'fast-check'
import t from 'tap'
import { crc32c } from '../../../src/connections/crc32c.ts'
import { parseProxyHeader } from '../../../src/connections/proxy-header.ts'

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')

function v2(command: number, family: number, body: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(body.length)
  return Buffer.concat([SIGNATURE, Buffer.from([command, family]), length, body])
}

const port = (number: number) => Buffer.from([number >> 8, number & 255])
const ipv4 = Buffer.concat([Buffer.from([203, 0, 113, 7, 192, 0, 2, 1]), port(50_000), port(2222)])
const ipv6 = Buffer.concat([
  Buffer.from('20010db8000100020000000000000007', 'hex'),
  Buffer.alloc(16),
  port(50_000),
  port(2222),
])
const tlv = (type: number, value: Buffer) => Buffer.concat([Buffer.from([type]), port(value.length), value])

t.test('both versions say where a connection comes from', async t => {
  const cases: [string, Buffer, string][] = [
    ['v2, IPv4', v2(0x21, 0x11, ipv4), '203.0.113.7'],
    ['v2, IPv6', v2(0x21, 0x21, ipv6), '2001:db8:1:2:0:0:0:7'],
    [
      'v2 with values behind',
      v2(0x21, 0x11, Buffer.concat([ipv4, tlv(0x02, Buffer.from('x')), tlv(0x04, Buffer.alloc(9))])),
      '203.0.113.7',
    ],
    ['v1, IPv4', Buffer.from('PROXY TCP4 203.0.113.7 192.0.2.1 50000 2222\r\n'), '203.0.113.7'],
    ['v1, IPv6', Buffer.from('PROXY TCP6 2001:db8::7 ::1 50000 2222\r\n'), '2001:db8::7'],
  ]
  for (const [what, bytes, address] of cases) {
    const source = { address, port: 50_000 }
    t.same(parseProxyHeader(bytes), { kind: 'proxied', length: bytes.length, source }, what)
    const more = Buffer.concat([bytes, Buffer.from('SSH-2.0-client\r\n')])
    t.same(parseProxyHeader(more), { kind: 'proxied', length: bytes.length, source }, 'what is behind stays')
    for (let cut = 0; cut < bytes.length; cut++) {
      t.equal(parseProxyHeader(bytes.subarray(0, cut)).kind, 'incomplete', `${what}, cut at ${cut}`)
    }
  }
})

t.test('a balancer that speaks for itself is the source itself', async t => {
  for (const bytes of [
    v2(0x20, 0x00, Buffer.alloc(0)),
    v2(0x20, 0x11, ipv4),
    v2(0x21, 0x00, Buffer.alloc(0)),
    Buffer.from('PROXY UNKNOWN\r\n'),
    Buffer.from('PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n'),
  ]) {
    t.same(parseProxyHeader(bytes), { kind: 'local', length: bytes.length })
  }
})

t.test('a checksum is verified', async t => {
  t.equal(crc32c(Buffer.from('123456789')), 0xe3069283, 'the check value of CRC-32C')
  const header = v2(0x21, 0x11, Buffer.concat([ipv4, tlv(0x03, Buffer.alloc(4))]))
  const right = Buffer.from(header)
  right.writeUInt32BE(crc32c(header), header.length - 4)
  t.equal(parseProxyHeader(right).kind, 'proxied')
  t.match(parseProxyHeader(header), { kind: 'broken', why: /checksum/ })
  right[16]! ^= 1
  t.match(parseProxyHeader(right), { kind: 'broken', why: /checksum/ }, 'another address')
})

t.test('whatever is not a header is refused at once, and says why', async t => {
  const broken: [string, Buffer, RegExp][] = [
    ['SSH', Buffer.from('SSH-2.0-client\r\n'), /does not begin/],
    ['TLS', Buffer.from('1603', 'hex'), /does not begin/],
    ['version 1 in binary', v2(0x11, 0x11, ipv4), /version 1/],
    ['command', v2(0x22, 0x11, ipv4), /command 2/],
    ['UDP', v2(0x21, 0x12, ipv4), /TCP/],
    ['a Unix socket', v2(0x21, 0x31, Buffer.alloc(216)), /address family 3/],
    ['cut addresses', v2(0x21, 0x11, ipv4.subarray(0, 11)), /shorter/],
    ['a cut value', v2(0x21, 0x11, Buffer.concat([ipv4, Buffer.from([4, 0, 9, 1])])), /cut/],
    ['too long', Buffer.concat([SIGNATURE, Buffer.from([0x21, 0x11, 0xff, 0xff])]), /too many/],
    ['v1 without an end', Buffer.from(`PROXY TCP4 ${'1'.repeat(120)}`), /does not end/],
    ['v1, not an address', Buffer.from('PROXY TCP4 203.0.113 192.0.2.1 1 2\r\n'), /cannot be read/],
    ['v1, the other family', Buffer.from('PROXY TCP6 203.0.113.7 192.0.2.1 1 2\r\n'), /cannot be read/],
    ['v1, port', Buffer.from('PROXY TCP4 203.0.113.7 192.0.2.1 99999 2\r\n'), /cannot be read/],
    ['v1, port with zeroes', Buffer.from('PROXY TCP4 203.0.113.7 192.0.2.1 01 2\r\n'), /cannot be read/],
    ['v1, more', Buffer.from('PROXY TCP4 203.0.113.7 192.0.2.1 1 2 3\r\n'), /cannot be read/],
  ]
  for (const [what, bytes, why] of broken) t.match(parseProxyHeader(bytes), { kind: 'broken', why }, what)
})

t.test('no bytes break the parser, and what it takes is never more than there is', async t => {
  const begun = fc.oneof(fc.constant(Buffer.alloc(0)), fc.constant(SIGNATURE), fc.constant(Buffer.from('PROXY TCP')))
  const run = () =>
    fc.assert(
      fc.property(begun, fc.uint8Array({ maxLength: 300 }), (begin, rest) => {
        const bytes = Buffer.concat([begin, rest])
        const header = parseProxyHeader(bytes)
        if ('length' in header && header.length > bytes.length) throw new Error('it takes more than there is')
        if (header.kind === 'incomplete' && bytes.length >= 4096) throw new Error('it waits for ever')
      }),
      { numRuns: 3000 },
    )
  t.doesNotThrow(run)
})

t.test('every header that a balancer may build is read as it was meant', async t => {
  const octets = fc.uint8Array({ minLength: 4, maxLength: 4 })
  const values = fc.array(fc.tuple(fc.integer({ min: 4, max: 255 }), fc.uint8Array({ maxLength: 60 })), {
    maxLength: 5,
  })
  const run = () =>
    fc.assert(
      fc.property(octets, fc.integer({ min: 0, max: 65_535 }), values, (address, from, tlvs) => {
        const body = Buffer.concat([
          address,
          Buffer.from([192, 0, 2, 1]),
          port(from),
          port(22),
          ...tlvs.map(([type, value]) => tlv(type, Buffer.from(value))),
        ])
        const bytes = v2(0x21, 0x11, body)
        const header = parseProxyHeader(bytes)
        const right = header.kind === 'proxied' && header.length === bytes.length
        if (!right || header.source.address !== address.join('.') || header.source.port !== from)
          throw new Error('misread')
      }),
    )
  t.doesNotThrow(run)
})
