import fc from 'fast-check'
import t, { type Test } from 'tap'
import { cancelRequest, startupMessage } from '../../../../src/protocols/postgres/wire/frontend-messages.ts'
import { parseStartupPacket, startupPacketLength } from '../../../../src/protocols/postgres/wire/startup.ts'
import { GatewayError } from '../../../../src/shared/errors.ts'
import { cstring, gssencRequest, packet, sslRequest, startup } from '../../../support/postgres-bytes.ts'

const violates = (t: Test, bytes: Buffer) => t.throws(() => parseStartupPacket(bytes), { code: 'PROTOCOL_VIOLATION' })

t.test('requests for encryption are known, and must be nothing more', async t => {
  t.same(parseStartupPacket(sslRequest), { kind: 'ssl-request' })
  t.same(parseStartupPacket(gssencRequest), { kind: 'gssenc-request' })
  violates(t, packet(80877103, Buffer.from('x')))
})

t.test('a cancel request carries a key of 4 to 256 bytes (protocol 3.2)', async t => {
  for (const length of [4, 32, 256]) {
    const key = Buffer.alloc(length, 7)
    t.same(parseStartupPacket(cancelRequest(-5, key)), { kind: 'cancel-request', processId: -5, key })
  }
  violates(t, cancelRequest(1, Buffer.alloc(3)))
  violates(t, cancelRequest(1, Buffer.alloc(257)))
})

t.test('a startup message gives its parameters, and protocol options apart', async t => {
  const message = startup({ user: 'alice+dba+orders', database: 'shop', '_pq_.fancy': 'on' }, 196610)
  t.same(parseStartupPacket(message), {
    kind: 'startup',
    minorVersion: 2,
    parameters: new Map([
      ['user', 'alice+dba+orders'],
      ['database', 'shop'],
    ]),
    protocolOptions: ['_pq_.fancy'],
  })
})

t.test('a startup message that can be read in two ways is refused', async t => {
  violates(t, packet(196608, cstring('user'), cstring('a'), cstring('user'), cstring('b'), Buffer.alloc(1)))
  violates(t, packet(196608, cstring('user'), cstring('a'), Buffer.alloc(1), cstring('more')))
  violates(t, packet(196608, cstring('user'), Buffer.from('no end')))
  violates(t, packet(2 << 16, cstring('user')))
})

t.test('no length over the bound is believed', async t => {
  for (const length of [0, 7, 10_001, 0x7fffffff, 0xffffffff]) {
    const header = Buffer.alloc(4)
    header.writeUInt32BE(length)
    t.throws(() => startupPacketLength(header), { code: 'PROTOCOL_VIOLATION' })
  }
})

t.test('what was written is read back, and any other bytes are read or refused, never worse', async t => {
  const name = fc.stringMatching(/^[a-z][a-z_]{0,20}$/)
  const value = fc.string({ unit: 'grapheme' }).filter(text => !text.includes('\0'))
  fc.assert(
    fc.property(fc.dictionary(name, value), parameters => {
      const entries = new Map(Object.entries(parameters))
      const read = parseStartupPacket(startupMessage(entries))
      t.same(read.kind === 'startup' && [...read.parameters], [...entries])
    }),
    { numRuns: 50 },
  )
  fc.assert(
    fc.property(fc.integer(), fc.uint8Array({ maxLength: 64 }), (code, body) => {
      try {
        parseStartupPacket(packet(code, Buffer.from(body)))
      } catch (error) {
        if (!(error instanceof GatewayError)) throw error
      }
    }),
  )
})
