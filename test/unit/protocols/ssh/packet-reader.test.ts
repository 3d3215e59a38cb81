import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { MESSAGE } from '../../../../src/protocols/ssh/transport/messages.ts'
import { type GcmDecipher, PacketReader } from '../../../../src/protocols/ssh/transport/packet-reader.ts'

const key = randomBytes(16)

const ivOf = (number: number) => {
  const iv = Buffer.alloc(12)
  iv.writeUInt32BE(number, 8)
  return iv
}

/** RFC 5647: the length is authenticated, and in the clear. */
function packetOf(payload: Buffer, number: number, change: Partial<{ padding: number; length: number }> = {}): Buffer {
  const padding = 16 - ((payload.length + 1 + 4) % 16) + 4
  const length = Buffer.alloc(4)
  length.writeUInt32BE(change.length ?? 1 + payload.length + padding)
  const cipher = createCipheriv('aes-128-gcm', key, ivOf(number)).setAAD(length)
  const plain = Buffer.concat([Buffer.from([change.padding ?? padding]), payload, Buffer.alloc(padding)])
  const encrypted = Buffer.concat([cipher.update(plain), cipher.final()])
  return Buffer.concat([length, encrypted, cipher.getAuthTag()])
}

function decipherTo(take: (payload: Buffer) => unknown): GcmDecipher {
  let number = 0
  return {
    inSeqno: 0,
    _onPayload: take,
    _instance: {
      decrypt(packet, length, tag) {
        const aad = Buffer.alloc(4)
        aad.writeUInt32BE(length)
        const decipher = createDecipheriv('aes-128-gcm', key, ivOf(number++)).setAAD(aad).setAuthTag(tag)
        decipher.update(packet).copy(packet)
        decipher.final()
      },
    },
    decrypt: () => undefined,
  }
}

const payloads = fc.array(
  fc
    .tuple(fc.constantFrom<number>(MESSAGE.CHANNEL_DATA, MESSAGE.CHANNEL_REQUEST, 20), fc.nat(9000))
    .map(([type, bytes]) => Buffer.concat([Buffer.from([type]), randomBytes(bytes)])),
  { minLength: 1, maxLength: 6 },
)

t.test('packets come out whole wherever the stream is cut, in memory that others write to in between', async () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 12_000 }), { minLength: 1, maxLength: 40 })
  fc.assert(
    fc.property(payloads, cuts, fc.boolean(), (payloads, cuts, mayReuse) => {
      const stream = Buffer.concat(payloads.map((payload, number) => packetOf(payload, number)))
      const shared = Buffer.alloc(12_000)
      const seen: Buffer[] = []
      const kept: [Buffer, Buffer][] = []
      const decipher = decipherTo(payload => {
        const copy = Buffer.from(payload)
        seen.push(copy)
        // ssh2 keeps what the keys are agreed on with: only data may be overwritten.
        if (payload[0] !== MESSAGE.CHANNEL_DATA) kept.push([payload, copy])
      })
      const reader = new PacketReader(decipher, () => mayReuse)
      for (let at = 0, cut = 0; at < stream.length; cut++) {
        const bytes = stream.subarray(at, at + Math.min(cuts[cut % cuts.length]!, stream.length))
        const memory = mayReuse ? shared : Buffer.alloc(bytes.length)
        bytes.copy(memory)
        if (reader.decrypt(memory, 0, bytes.length) !== undefined) return false
        if (mayReuse) memory.fill(0xee)
        at += bytes.length
      }
      const same = seen.length === payloads.length && seen.every((one, index) => one.equals(payloads[index]!))
      return same && decipher.inSeqno === payloads.length && kept.every(([one, copy]) => one.equals(copy))
    }),
    { numRuns: 300 },
  )
})

t.test('it stops where the callback says that another decipher goes on', async t => {
  const first = packetOf(Buffer.from([21]), 0)
  const reader = new PacketReader(
    decipherTo(() => false),
    () => true,
  )
  const data = Buffer.concat([first, Buffer.from('under other keys')])
  t.equal(reader.decrypt(data, 0, data.length), first.length)
})

t.test('what no peer may send is refused', async t => {
  const read = (packet: Buffer) => () =>
    new PacketReader(
      decipherTo(() => undefined),
      () => true,
    ).decrypt(packet, 0, packet.length)
  const payload = Buffer.alloc(27, MESSAGE.CHANNEL_DATA)
  const good = packetOf(payload, 0)
  t.doesNotThrow(read(Buffer.from(good)))
  for (let at = 4; at < good.length; at++) {
    const bad = Buffer.from(good)
    bad[at]! ^= 1
    t.throws(read(bad), `byte ${at} is changed`)
  }
  for (const length of [0, 15, 17, 34_992, 0x7fffffff, 0xffffffff]) {
    t.throws(read(packetOf(payload, 0, { length })), /Bad packet length/)
    t.throws(read(packetOf(payload, 0, { length }).subarray(0, 4)), /Bad packet length/)
  }
  t.throws(read(packetOf(payload, 0, { padding: 255 })), /Bad padding length/)
})
