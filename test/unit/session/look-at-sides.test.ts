/** Whether both sides of a session that is over are closed: with peers that keep their sockets open. */

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import t from 'tap'
import { lookAtSides } from '../../../src/session/steps/look-at-sides.ts'

/** Neither reads, nor closes. */
const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1')
const peers: Socket[] = []
server.on('connection', peer => void peers.push(peer))
await once(server, 'listening')
t.teardown(() => {
  for (const peer of peers) peer.destroy()
  server.close()
})

async function toPeer(): Promise<Socket> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

t.test(
  'a peer that has been sent everything and keeps its socket is not waited for as one that still takes',
  async t => {
    const [all, some] = [await toPeer(), await toPeer()]
    all.end('the last word')
    some.end(Buffer.alloc(32 * 1024 * 1024))
    const slow = lookAtSides({ downstream: undefined, upstream: { carrier: some } })
    t.same(await lookAtSides({ downstream: { carrier: all }, upstream: undefined }), { client: true, target: true })
    t.notOk(some.destroyed, 'what is on its way to it may still arrive')
    t.same(await slow, { client: true, target: true })
    t.ok(some.destroyed)
  },
)
