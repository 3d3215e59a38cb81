import t from 'tap'
import { createMetrics } from '../../../src/shared/metrics.ts'

t.test('what was tallied is in the counter when it is read, once', async t => {
  const metrics = createMetrics()
  const tally = metrics.tally('postgres')
  tally.in += 5
  tally.out += 7
  // Another session of the same protocol.
  metrics.tally('postgres').in += 10
  metrics.tally('ssh').out += 1
  const read = async () =>
    Object.fromEntries(
      (await metrics.bytes.get()).values.map(({ labels, value }) => [`${labels.protocol} ${labels.direction}`, value]),
    )
  const expected = { 'postgres in': 15, 'postgres out': 7, 'ssh in': 0, 'ssh out': 1 }
  t.strictSame(await read(), expected)
  t.strictSame(await read(), expected, 'nothing is counted twice')
  tally.out += 3
  t.strictSame(await read(), { ...expected, 'postgres out': 10 })
  t.match(await metrics.registry.metrics(), 'sallyport_relayed_bytes_total{protocol="postgres",direction="out"} 10')
})
