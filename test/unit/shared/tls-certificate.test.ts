import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:tls'
import t from 'tap'
import { generateTlsCertificate, withNames } from '../../../src/shared/tls-certificate.ts'

const own = await generateTlsCertificate(['localhost', '127.0.0.1', 'box'], Date.now())
const named = await withNames(own, ['gateway.example.com', '192.0.2.7', 'box'], Date.now())

/** Whether a client that trusts `ca` takes the server's certificate under that name. */
async function takes(served: typeof own, ca: string, servername: string): Promise<boolean> {
  const server = createServer(served).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = connect({ host: '127.0.0.1', port, ca, servername })
  const taken = await once(client, 'secureConnect').then(
    () => true,
    () => false,
  )
  client.destroy()
  server.close()
  return taken
}

t.test('the certificate is good for its names, and for no other', async t => {
  t.ok(await takes(own, own.cert, 'box'))
  t.notOk(await takes(own, own.cert, 'gateway.example.com'))
  t.equal(await withNames(own, ['box', '127.0.0.1'], Date.now()), own, 'nothing to add')
})

t.test('with names added it is good for these and those, also to whoever trusts the one before', async t => {
  t.equal(named.key, own.key)
  for (const name of ['box', 'localhost', 'gateway.example.com']) {
    t.ok(await takes(named, own.cert, name), name)
    t.ok(await takes(named, named.cert, name), `${name}, to whoever trusts what is served now`)
  }
  t.notOk(await takes(named, own.cert, 'elsewhere.example.com'))
})
