import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import type { Cluster } from '../../../src/cluster/cluster.ts'
import { createLocalCluster } from '../../../src/cluster/local.ts'
import { createClusterServer } from '../../../src/cluster/server.ts'
import { clusterPromises, movableClock } from '../../support/cluster-promises.ts'

t.test('the local cluster keeps what every cluster promises', t =>
  clusterPromises(t, async clock => createLocalCluster({ clock, gateway: 'gw_one' })),
)

t.test('a gateway that is alone knows that it is', async t => {
  const cluster = createLocalCluster({ clock: movableClock(), gateway: 'gw_one' })
  t.same(await cluster.livingGateways(), new Set(['gw_one']))
  t.equal(cluster.available, true)
})

t.test('a publisher is never called back before publish returned', async t => {
  const cluster = createLocalCluster({ clock: movableClock(), gateway: 'gw_one' })
  let returned = false
  const heard = new Promise<boolean>(resolve => void cluster.subscribe('x', () => resolve(returned)))
  const sent = cluster.publish('x', Buffer.from('1'))
  returned = true
  await sent
  t.equal(await heard, true)
})

t.test('counters of strangers who came and went do not stay in memory', async t => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const clock = movableClock()
  const cluster = createLocalCluster({ clock, gateway: 'gw_one' })
  collect()
  const before = process.memoryUsage().heapUsed
  for (let i = 0; i < 200_000; i++) {
    if (i % 1000 === 0) clock.move(2000)
    await cluster.count(`source:${i}`, 1000)
  }
  collect()
  const grown = process.memoryUsage().heapUsed - before
  t.ok(grown < 8_000_000, `grew by ${grown} bytes`)
  t.equal((await cluster.counted('source:199999')).count, 1)
})

t.test(
  'a worker that subscribes again and again has one subscription of a channel, and not too many channels',
  async t => {
    const cluster = createLocalCluster({ clock: movableClock(), gateway: 'gw_one' })
    let subscribed = 0
    const counting: Cluster = {
      ...cluster,
      async subscribe(...values) {
        subscribed++
        const leave = await cluster.subscribe(...values)
        return async () => {
          subscribed--
          await leave()
        }
      },
    }
    const heard: string[] = []
    const { methods, close } = createClusterServer(counting, channel => void heard.push(channel))
    await Promise.all(Array.from({ length: 100 }, () => methods.subscribe('follow')))
    t.equal(subscribed, 1)
    await cluster.publish('follow', Buffer.alloc(0))
    await new Promise(setImmediate)
    t.same(heard, ['follow'])
    await methods.unsubscribe('follow')
    t.equal(subscribed, 0)
    for (let i = 0; i < 4096; i++) await methods.subscribe(`postgres-cancel:${i}`)
    await t.rejects(methods.subscribe('one more'), { code: 'TOO_MANY_CONNECTIONS' })
    close()
    await new Promise(setImmediate)
    t.equal(subscribed, 0)
  },
)
