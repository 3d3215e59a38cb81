import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { createDialer } from '../../../src/session/dialer.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { targetSchema } from '../../../src/targets/target.ts'

const entry = (facts: object) =>
  targetSchema.parse({ protocol: 'ssh', host: 'web.example', accounts: [{ name: 'svc' }], ...facts })

/** A hop that is logged in to, and behind which `connectTo` gives what the test says. */
async function startHop(t: Tap, connectTo: () => Promise<PassThrough>) {
  const server = createServer(socket => void socket.resume()).listen(0, '127.0.0.1')
  t.teardown(() => void server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const hop = entry({ name: 'bastion', host: '127.0.0.1', port, allowLocal: true })
  let closed = 0
  const dialTo = (target: ReturnType<typeof entry>) =>
    createDialer(target, {
      find: name => (name === 'bastion' ? hop : undefined),
      lend: async () => ({ material: { kind: 'password', password: new Secret('x') } as never, erase() {} }),
      passed: async () => undefined,
      connectHop: async (_, stream) => {
        t.teardown(() => void stream.destroy())
        return { connectTo, close: () => void closed++ }
      },
    })
  return { dialTo, closed: () => closed }
}
type Tap = { teardown(handler: () => void): void }

const NEVER = new AbortController().signal

t.test('a hop that closes a connection as it opens it is told from one that is open, and is left', async t => {
  const hop = await startHop(t, async () => {
    const stream = new PassThrough()
    stream.destroy()
    await once(stream, 'close')
    return stream
  })
  const dialer = hop.dialTo(entry({ name: 'web-01', via: 'bastion' }))
  await t.rejects(dialer.dial(NEVER), { code: 'TARGET_UNREACHABLE' })
  dialer.close()
  t.equal(hop.closed(), 1)
})

t.test('hops are left when what goes through them has closed', async t => {
  const stream = new PassThrough()
  const hop = await startHop(t, async () => stream)
  const dialer = hop.dialTo(entry({ name: 'web-01', via: 'bastion' }))
  await dialer.dial(NEVER)
  dialer.close()
  t.equal(hop.closed(), 0)
  stream.destroy()
  await once(stream, 'close')
  t.equal(hop.closed(), 1)
})

t.test("behind a hop, the gateway's own addresses are refused as they are in front of it", async t => {
  const hop = await startHop(t, async () => new PassThrough())
  const dialer = hop.dialTo(entry({ name: 'self', host: '127.0.0.1', via: 'bastion' }))
  await t.rejects(dialer.dial(NEVER), { code: 'TARGET_ADDRESS_REFUSED' })
  dialer.close()
})
