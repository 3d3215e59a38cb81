/** Who asks and asks, never reading the answers, does not grow the gateway's memory: not before the login, and not after it. */

import { connect } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { MESSAGE } from '../../../src/protocols/ssh/transport/messages.ts'
import { boolean, string } from '../../../src/shared/ssh-encoding/wire.ts'
import { logIn, startGatewayFor } from '../../support/alice-by-raw-ssh.ts'
import { connectRaw, type RawClient } from '../../support/raw-ssh-client.ts'
import type { SshListenerParts } from '../../support/start-ssh-listener.ts'
import { startSshd } from '../../support/start-sshd.ts'

const sshd = await startSshd()
t.teardown(() => sshd.stop())

const start = (parts: Partial<SshListenerParts> = {}) => startGatewayFor(sshd, parts)

/** Sends while it is taken, up to `most` messages; gives how many the gateway took. */
async function flood(client: RawClient, most: number, ...message: [number, ...Uint8Array[]]): Promise<number> {
  const { socket } = client.transport
  client.transport.mostWaiting = Number.POSITIVE_INFINITY
  socket.pause()
  let sent = 0
  while (sent < most && !client.transport.over && !socket.destroyed) {
    for (let i = 0; i < 1_000; i++) client.send(...message)
    sent += 1_000
    const before = socket.writableLength
    for (let i = 0; socket.writableLength > 0 && i < 40; i++) await wait(5)
    if (socket.writableLength > 0 && socket.writableLength === before) break
  }
  return sent
}

t.test('before the login the connection is closed', async t => {
  const gateway = await start()
  const client = await connectRaw(gateway)
  await flood(client, 200_000, MESSAGE.SERVICE_REQUEST, string('ssh-userauth'))
  client.transport.socket.resume()
  await client.ended
  t.match(gateway.refusedConnections, [{ code: 'PROTOCOL_VIOLATION', why: /does not take its data/ }])
})

t.test('after it the client is not read until it reads', async t => {
  const gateway = await start({ limits: { maxUnauthenticated: 1 } })
  const client = await logIn(gateway)
  const most = 600_000
  t.ok((await flood(client, most, MESSAGE.GLOBAL_REQUEST, string('unheard-of@example.com'), boolean(true))) < most)
  t.equal(gateway.sessions.at(-1)!.reason, undefined, 'the session goes on')
  client.transport.socket.resume()
  await client.next(MESSAGE.REQUEST_FAILURE)
})

t.test('one who is turned away and dribbles is gone all the same', async t => {
  const gateway = await start({ limits: { maxPerSource: 1 } })
  await connectRaw(gateway)
  const socket = connect({ host: gateway.host, port: gateway.port, allowHalfOpen: true })
  const dribble = setInterval(() => socket.write('x'), 200)
  t.teardown(() => clearInterval(dribble))
  socket.on('error', () => undefined)
  socket.resume()
  await new Promise(resolve => socket.once('close', resolve))
})
