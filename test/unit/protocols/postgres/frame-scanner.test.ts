import fc from 'fast-check'
import t from 'tap'
import { FrameScanner, type FrameSink } from '../../../../src/protocols/postgres/wire/frame-scanner.ts'
import { frame, int32 } from '../../../support/postgres-bytes.ts'

const KEPT = 64

function collect() {
  const seen: string[] = []
  const parts: Buffer[] = []
  const sink: FrameSink = {
    counted: (type, length) => seen.push(`${String.fromCharCode(type)} ${length}`),
    body: (type, bytes, start, end, length) =>
      seen.push(`${String.fromCharCode(type)} ${bytes.toString('hex', start, end)} of ${length}`),
    part: (_type, bytes, start, end) => parts.push(Buffer.from(bytes.subarray(start, end))),
  }
  return { scanner: new FrameScanner(sink, { counted: 'D', bodies: 'Q', keepBytes: KEPT }), seen, parts }
}

t.test('however the bytes are cut, the same messages are seen', async () => {
  const message = fc.tuple(fc.constantFrom('Q', 'D', 'x'), fc.uint8Array({ maxLength: 200 }))
  const property = fc.property(fc.array(message, { maxLength: 8 }), fc.array(fc.nat(50)), (messages, cuts) => {
    const bytes = Buffer.concat(messages.map(([type, body]) => frame(type, Buffer.from(body))))
    const { scanner, seen, parts } = collect()
    let at = 0
    for (const cut of [...cuts, bytes.length]) {
      scanner.scan(bytes.subarray(at, at + cut))
      at += cut
    }
    const expected = messages.flatMap(([type, body]) => {
      if (type === 'x') return []
      if (type === 'D') return [`D ${body.length}`]
      return [
        `Q ${Buffer.from(body)
          .toString('hex')
          .slice(0, KEPT * 2)} of ${body.length}`,
      ]
    })
    const long = messages.filter(([type, body]) => type === 'Q' && body.length > KEPT).map(([, body]) => body)
    return (
      JSON.stringify(seen) === JSON.stringify(expected) &&
      Buffer.concat(parts).equals(Buffer.concat(long)) &&
      scanner.atBoundary
    )
  })
  fc.assert(property, { numRuns: 500 })
})

t.test('impossible lengths are refused before anything is allocated', async t => {
  for (const length of [0, 3, -1, -2147483648, 0x40000000, 0x7fffffff]) {
    const { scanner } = collect()
    t.throws(() => scanner.scan(Buffer.concat([Buffer.from('Q'), int32(length)])), { code: 'PROTOCOL_VIOLATION' })
  }
})

t.test('between messages is told from within one', async t => {
  const { scanner } = collect()
  t.ok(scanner.atBoundary)
  scanner.scan(Buffer.from('x'))
  t.notOk(scanner.atBoundary)
  scanner.scan(Buffer.concat([int32(6), Buffer.from('a')]))
  t.notOk(scanner.atBoundary)
  scanner.scan(Buffer.from('b'))
  t.ok(scanner.atBoundary)
})
