import t from 'tap'
import type { AuditAppender } from '../../../src/audit/event.ts'
import { createClusterClient } from '../../../src/cluster/client.ts'
import type { Cluster } from '../../../src/cluster/cluster.ts'
import { createLocalCluster } from '../../../src/cluster/local.ts'
import {
  createGatewayMethods,
  type GatewayMethods,
  type Services,
} from '../../../src/gateway/workers/gateway-methods.ts'
import type { WorkerMethods } from '../../../src/gateway/workers/messages.ts'
import { createRemoteLock } from '../../../src/gateway/workers/remote-lock.ts'
import { createKeyedMutex } from '../../../src/shared/concurrency/keyed-mutex.ts'
import { GatewayError } from '../../../src/shared/errors.ts'
import { createRpc } from '../../../src/shared/rpc.ts'
import { clusterPromises, inbox, movableClock } from '../../support/cluster-promises.ts'

const audit: AuditAppender = { append: async () => undefined, flush: async () => undefined }

/** A worker's side, with messages that come later, as between processes. */
function workerOf(services: Partial<Services> = {}, gateway = 'gw_one-1') {
  const cluster = services.cluster ?? createLocalCluster({ clock: movableClock(), gateway: 'gw_one' })
  const { methods, close } = createGatewayMethods(
    {
      audit,
      withKeyLock: createKeyedMutex(),
      acquireSlot: async () => undefined,
      acquireInnerSlot: async () => undefined,
      ...services,
      cluster,
    },
    (channel, payload) => atGateway.notify('deliver', channel, payload),
  )
  const atGateway = createRpc<Pick<WorkerMethods, 'deliver'>, GatewayMethods>(methods, message =>
    setImmediate(() => remote.receive(message)),
  )
  const remote = createRpc<GatewayMethods, Pick<WorkerMethods, 'deliver'>>(
    { deliver: (channel, payload) => client.deliver(channel, payload) },
    message => setImmediate(() => atGateway.receive(message)),
  )
  const client = createClusterClient({ gateway, remote })
  const die = () => {
    atGateway.close()
    close()
  }
  return { remote, withKeyLock: createRemoteLock(remote), cluster: client.cluster, atGateway, die }
}

t.test('the cluster of a worker keeps what every cluster promises', async t => {
  const clusters = new Map<unknown, Cluster>()
  await clusterPromises(t, async clock => {
    const shared = clusters.get(clock) ?? createLocalCluster({ clock, gateway: 'gw_one' })
    clusters.set(clock, shared)
    return workerOf({ cluster: shared }).cluster
  })
})

t.test('workers and their gateway share one cluster', async t => {
  const workers = new Set(['gw_one-1', 'gw_one-2'])
  const cluster = createLocalCluster({ clock: movableClock(), gateway: 'gw_one', workers })
  const first = workerOf({ cluster })
  const second = workerOf({ cluster }, 'gw_one-2')
  t.equal(await first.cluster.count('tries', 1000), 1)
  t.equal(await second.cluster.count('tries', 1000), 2)
  t.equal((await cluster.counted('tries')).count, 2)
  t.same(await second.cluster.livingGateways(), new Set(['gw_one', 'gw_one-1', 'gw_one-2']))

  const boxes = [cluster, first.cluster, second.cluster].map(cluster => ({ cluster, box: inbox() }))
  for (const { cluster, box } of boxes) await cluster.subscribe('kill', box.listener)
  await first.cluster.publish('kill', Buffer.from('ses_1'))
  for (const { box } of boxes) await box.atLeast(1)

  second.die()
  await first.cluster.publish('kill', Buffer.from('ses_2'))
  for (const { box } of boxes.slice(0, 2)) await box.atLeast(2)
  t.equal(boxes[2]!.box.payloads.length, 1, 'a worker that is gone is told nothing more')
})

t.test('what the gateway cannot do, its worker cannot either, for the same reason', async t => {
  const failing: AuditAppender = {
    ...audit,
    append: async () => Promise.reject(new GatewayError('AUDIT_UNAVAILABLE', 'The audit log cannot be written.')),
  }
  const local = createLocalCluster({ clock: movableClock(), gateway: 'gw_one' })
  const { remote, cluster } = workerOf({
    audit: failing,
    cluster: { ...local, count: () => Promise.reject(new Error('a bug')) },
  })
  await t.rejects(remote.call('audit', { kind: 'session.started', actor: 'alice' }), {
    code: 'AUDIT_UNAVAILABLE',
    message: 'The audit log cannot be written.',
  })
  await t.rejects(cluster.count('tries', 1000), { code: 'INTERNAL', message: 'a bug' })
  t.equal((await cluster.counted('tries')).count, 0, 'and the next question is answered')
})

t.test('the works of one key take turns, in whichever worker they are', async t => {
  const withKeyLock = createKeyedMutex()
  const workers = [workerOf({ withKeyLock }), workerOf({ withKeyLock })]
  const order: string[] = []
  let running = 0
  const work = (name: string) => async () => {
    t.equal(++running, 1, 'alone')
    await new Promise(resolve => setImmediate(resolve))
    order.push(name)
    running--
    if (name === 'broken') throw new Error(name)
    return name
  }
  const results = await Promise.allSettled(
    ['one', 'two', 'broken', 'four'].map((name, index) => workers[index % 2]!.withKeyLock('alice', work(name))),
  )
  t.same(order, ['one', 'two', 'broken', 'four'])
  t.match(results, [{ value: 'one' }, { value: 'two' }, { reason: { message: 'broken' } }, { value: 'four' }])

  const never = new Promise<never>(() => undefined)
  let held = false
  void workers[0]!.withKeyLock('alice', async () => {
    held = true
    await never
  })
  const next = workers[1]!.withKeyLock('alice', async () => 'after the death')
  while (!held) await new Promise(resolve => setImmediate(resolve))
  workers[0]!.die()
  t.equal(await next, 'after the death', 'a worker that died holds nobody up')
  workers[0]!.atGateway.receive({ kind: 'call', id: 99, method: 'lock', values: ['alice'] })
  t.equal(await workers[1]!.withKeyLock('alice', async () => 'still'), 'still', 'nor does what it says after its death')
})

t.test('a worker has its gateway do what stands in the table, and nothing else', async t => {
  const { remote, die } = workerOf()
  for (const method of ['constructor', 'toString', '__proto__', 'close', '']) {
    const call = remote.call as (method: string) => Promise<unknown>
    await t.rejects(call(method), { code: 'INTERNAL', message: `there is no method ${method}` })
  }
  const waiting = remote.call('acquireSlot', 1, { address: '192.0.2.1', port: 1 })
  t.equal(await waiting, undefined)
  die()
})

t.test('whoever waits for an answer of a process that has ended waits no more', async t => {
  const rpc = createRpc<{ report(): number }, object>({}, () => undefined)
  const waiting = rpc.call('report')
  rpc.close()
  await t.rejects(waiting, { code: 'INTERNAL', message: 'The other process has ended.' })
})
