/** Following from another gateway: everything in order, and a follower that does not read costs nobody memory. */

import t from 'tap'
import { createLocalCluster } from '../../../../src/cluster/local.ts'
import { createFollow } from '../../../../src/session/live/follow.ts'
import { systemClock } from '../../../../src/shared/clock.ts'
import { createLog } from '../../../../src/shared/log.ts'

const CHUNK_BYTES = 64 * 1024
const MANY = 3000

/** The gateway on which a session runs that writes `count` chunks, and another one; one local cluster stands for Redis. */
async function twoGateways(t: { teardown(handler: () => unknown): void }, count: number) {
  const cluster = createLocalCluster({ clock: systemClock, gateway: 'gw_one' })
  const sent = { chunks: 0, ended: Promise.withResolvers<void>() }
  async function* chunks(stop?: AbortSignal) {
    try {
      for (; sent.chunks < count && stop?.aborted !== true; sent.chunks++) {
        yield Buffer.alloc(CHUNK_BYTES, sent.chunks)
        await new Promise(resolve => setImmediate(resolve))
      }
    } finally {
      sent.ended.resolve()
    }
  }
  const common = { cluster, log: createLog('silent'), isLive: async () => true }
  const owner = await createFollow({ ...common, tap: (_session, stop) => chunks(stop) })
  const other = await createFollow({ ...common, tap: () => undefined })
  t.teardown(() => Promise.all([owner.close(), other.close()]))
  return { other, sent }
}

t.test('every chunk arrives, in order, and the end', async t => {
  const { other } = await twoGateways(t, 100)
  const seen: number[] = []
  for await (const chunk of other.follow('ses_1')) seen.push(chunk[0]!)
  t.same(
    seen,
    Array.from({ length: 100 }, (_, index) => index),
  )
})

t.test('a follower that stalls holds nothing but a few chunks, and gets the rest when it reads on', async t => {
  const { other, sent } = await twoGateways(t, MANY)
  const following = other.follow('ses_1')[Symbol.asyncIterator]()
  await following.next()
  // Longer than the owner would need for all of them.
  for (let turn = 0; turn < 3 * MANY; turn++) await new Promise(resolve => setImmediate(resolve))
  t.ok(sent.chunks < 100, `the owner waits after ${sent.chunks} chunks`)
  let rest = 0
  for (let next = await following.next(); !next.done; next = await following.next()) rest++
  t.equal(rest, MANY - 1)
})
