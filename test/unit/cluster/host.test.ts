import t from 'tap'
import type { Cluster } from '../../../src/cluster/cluster.ts'
import { createClusterGuest } from '../../../src/cluster/guest.ts'
import { type ClusterHost, createClusterHost } from '../../../src/cluster/host.ts'
import { createLocalCluster } from '../../../src/cluster/local.ts'
import { clusterPromises, inbox, movableClock } from '../../support/cluster-promises.ts'

/** A worker's side and its gateway's, with messages that come later, as from a process. */
function guestOf(cluster: Cluster, gateway = 'gw_one-1'): { cluster: Cluster; host: ClusterHost } {
  const host = createClusterHost(cluster, answer => setImmediate(() => guest.hear(answer)))
  const guest = createClusterGuest({ gateway, send: question => setImmediate(() => host.hear(question)) })
  return { cluster: guest.cluster, host }
}

t.test('the cluster of a worker keeps what every cluster promises', async t => {
  const clusters = new Map<unknown, Cluster>()
  await clusterPromises(t, async clock => {
    const shared = clusters.get(clock) ?? createLocalCluster({ clock, gateway: 'gw_one' })
    clusters.set(clock, shared)
    return guestOf(shared).cluster
  })
})

t.test('workers and their gateway share one cluster', async t => {
  const workers = new Set(['gw_one-1', 'gw_one-2'])
  const local = createLocalCluster({ clock: movableClock(), gateway: 'gw_one', workers })
  const { cluster: first } = guestOf(local)
  const { cluster: second, host } = guestOf(local, 'gw_one-2')
  t.equal(await first.count('tries', 1000), 1)
  t.equal(await second.count('tries', 1000), 2)
  t.same(await local.counted('tries').then(({ count }) => count), 2)
  t.same(await second.livingGateways(), new Set(['gw_one', 'gw_one-1', 'gw_one-2']))

  const boxes = [local, first, second].map(cluster => ({ cluster, box: inbox() }))
  for (const { cluster, box } of boxes) await cluster.subscribe('kill', box.listener)
  await first.publish('kill', Buffer.from('ses_1'))
  for (const { box } of boxes) await box.atLeast(1)

  host.close()
  await first.publish('kill', Buffer.from('ses_2'))
  for (const { box } of boxes.slice(0, 2)) await box.atLeast(2)
  t.equal(boxes[2]!.box.payloads.length, 1, 'a worker that is gone is told nothing more')
})

t.test('what the gateway cannot do, its worker cannot either', async t => {
  const local = createLocalCluster({ clock: movableClock(), gateway: 'gw_one' })
  const { cluster } = guestOf({ ...local, count: () => Promise.reject(new Error('out of reach')) })
  await t.rejects(cluster.count('tries', 1000), { code: 'CLUSTER_UNAVAILABLE', cause: { message: 'out of reach' } })
  t.equal((await cluster.counted('tries')).count, 0, 'and the next question is answered')
})
