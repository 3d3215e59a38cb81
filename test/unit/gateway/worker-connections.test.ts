/** What a worker says of its connections counts as far as the gateway knows them: one login each, a slot that is its own, an address it had. */

import { Socket } from 'node:net'
import t from 'tap'
import type { ConnectionSlot } from '../../../src/connections/connection-limits.ts'
import type { WorkerChannel } from '../../../src/gateway/workers/worker-channel.ts'
import { WorkerConnections } from '../../../src/gateway/workers/worker-connections.ts'

const ADDRESS = '192.0.2.7'

function start() {
  const told: string[] = []
  const nonces: Buffer[] = []
  const channel = {
    copiesSockets: false,
    send: (message: { kind: string; nonce?: Buffer }) => {
      told.push(message.kind)
      if (message.nonce !== undefined) nonces.push(message.nonce)
    },
  } as unknown as WorkerChannel
  const connections = new WorkerConnections(channel)
  t.teardown(() => connections.close())
  /** One from there; gives what its slot was told. */
  function take(port: number, address = ADDRESS): string[] {
    const slot: string[] = []
    const note = (what: string) => () => void slot.push(what)
    const own: ConnectionSlot = {
      reached: note('reached'),
      blame: note('blame'),
      authenticated: note('authenticated'),
      acquireInner: async () => undefined,
      releaseInner: note('inner-released'),
      release: note('release'),
    }
    connections.take('ssh', { socket: new Socket(), source: { address, port }, slot: own, onEvict: () => undefined })
    return slot
  }
  return { connections, take, nonces, told }
}

t.test('one login comes of a connection, with the random bytes that are its own', async t => {
  const { connections, take, nonces } = start()
  take(1)
  take(2)
  t.equal(connections.forLogin({ address: ADDRESS, port: 2 })?.nonce, nonces[1])
  t.equal(connections.forLogin({ address: ADDRESS, port: 2 }), undefined, 'a second one')
  t.equal(connections.forLogin({ address: ADDRESS, port: 3 }), undefined, 'a port that nobody has')
  t.equal(connections.forLogin({ address: '192.0.2.8', port: 1 }), undefined, 'an address that nobody has')
  t.notSame(nonces[0], nonces[1])
  t.equal(nonces[0]!.length, 16)
})

t.test('a connection that has the port of one that left is itself', async t => {
  const { connections, take, nonces } = start()
  take(1)
  connections.hear({ kind: 'disconnected', connection: 1 })
  take(1)
  t.equal(connections.forLogin({ address: ADDRESS, port: 1 })?.nonce, nonces[1])
  t.equal(connections.forLogin({ address: ADDRESS, port: 1 })?.nonce, nonces[0], 'what comes late of the first')
  t.equal(connections.forLogin({ address: ADDRESS, port: 1 }), undefined)
})

t.test('an address is known for who was let in by the gateway, not for who the worker says was', async t => {
  const { connections, take } = start()
  const slot = take(1)
  connections.hear({ kind: 'authenticated', connection: 1 })
  connections.hear({ kind: 'authenticated', connection: 99 })
  t.same(slot, [])
  connections.forLogin({ address: ADDRESS, port: 1 })?.admitted()
  connections.hear({ kind: 'authenticated', connection: 1 })
  t.same(slot, ['authenticated'])
  connections.hear({ kind: 'disconnected', connection: 1 })
  for (const kind of ['authenticated', 'disconnected', 'inner-released'] as const)
    connections.hear({ kind, connection: 1 })
  connections.hear({ kind: 'reached', connection: 1, stage: 'login' })
  connections.hear({ kind: 'blamed', connection: 1, fault: 'failure' })
  t.same(slot, ['authenticated', 'release'], 'nothing comes of it when it is gone')
})

t.test('what is refused of a connection is taken down while it is remembered, and not without end', async t => {
  const { connections, take } = start()
  t.notOk(connections.mayReport(ADDRESS))
  take(1)
  for (let i = 0; i < 256; i++) t.ok(connections.mayReport(ADDRESS))
  t.notOk(connections.mayReport(ADDRESS))
  t.notOk(connections.mayReport('192.0.2.8'))
  take(2)
  connections.hear({ kind: 'disconnected', connection: 2 })
  t.ok(connections.mayReport(ADDRESS), 'of one that has just left')
  for (let i = 0; i < 5000; i++) {
    take(i, '198.51.100.1')
    connections.hear({ kind: 'disconnected', connection: 3 + i })
  }
  t.notOk(connections.mayReport(ADDRESS), 'it is forgotten')
  t.equal(connections.size, 1)
})

t.test('a source is taken from a PROXY header once', async t => {
  const { connections } = start()
  const slot = async () => ({ full: 'in all', because: 'all' }) as const
  connections.take('ssh', {
    socket: new Socket(),
    source: { address: '10.0.0.1', port: 9 },
    slot,
    onEvict: () => undefined,
  })
  t.match(await connections.acquireSlot(1, { address: ADDRESS, port: 7 }), { because: 'all' })
  await t.rejects(connections.acquireSlot(1, { address: '192.0.2.9', port: 7 }), { code: 'FORBIDDEN' })
  await t.rejects(connections.acquireSlot(2, { address: ADDRESS, port: 7 }), { code: 'FORBIDDEN' }, 'one that is none')
  t.equal(connections.forLogin({ address: '10.0.0.1', port: 9 }), undefined)
  t.ok(connections.forLogin({ address: ADDRESS, port: 7 }))
})
