import { createHash } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { KeptStream } from '../../../../src/protocols/ssh/capture/kept-stream.ts'

function play(limit: number, pieces: Uint8Array[]) {
  const kept: Buffer[] = []
  const cuts: number[] = []
  const stream = new KeptStream(
    limit,
    bytes => kept.push(Buffer.from(bytes)),
    keptBytes => cuts.push(keptBytes),
  )
  for (const piece of pieces) stream.take(Buffer.from(piece))
  return { kept: Buffer.concat(kept), cuts, whole: stream.whole() }
}

t.test('what is cut is told once where it ends, and known as a whole', async t => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 10 })
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 150 }), pieces, (limit, pieces) => {
        const all = Buffer.concat(pieces)
        const { kept, cuts, whole } = play(limit, pieces)
        if (!kept.equals(all.subarray(0, limit))) return false
        if (all.length <= limit) return cuts.length === 0 && whole === undefined
        const sha256 = createHash('sha256').update(all).digest('hex')
        return (
          cuts.join() === String(limit) &&
          whole?.keptBytes === limit &&
          whole.bytes === all.length &&
          whole.sha256 === sha256
        )
      }),
    ),
  )
})

t.test('without a limit nothing is cut', async t => {
  const { kept, cuts, whole } = play(Number.POSITIVE_INFINITY, [Buffer.alloc(10_000, 1)])
  t.equal(kept.length, 10_000)
  t.same(cuts, [])
  t.equal(whole, undefined)
})
