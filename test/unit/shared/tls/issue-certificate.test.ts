import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:tls'
import t from 'tap'
import { generateTlsCertificate, issueFrom } from '../../../../src/shared/tls/issue-certificate.ts'

const own = await generateTlsCertificate(['localhost', '127.0.0.1', 'box'], Date.now())
const served = await issueFrom(own, ['gateway.example.com', '192.0.2.7', 'box'], Date.now())

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

t.test('the certificate of the gateway is its own CA, good for its names', async t => {
  t.ok(await takes(own, own.cert, 'box'))
  t.notOk(await takes(own, own.cert, 'gateway.example.com'))
})

t.test(
  'what it issues is a server, good for its names and those that were added, to whoever trusts the CA',
  async t => {
    const [server] = served.cert.split(/(?<=-----END CERTIFICATE-----\n)/)
    const { ca, subject, issuer } = new X509Certificate(server!)
    t.same([ca, subject, issuer], [false, 'CN=Sallyport gateway server', 'CN=Sallyport gateway'])
    t.equal(served.key, own.key)
    for (const name of ['box', 'localhost', 'gateway.example.com']) t.ok(await takes(served, own.cert, name), name)
    t.notOk(await takes(served, own.cert, 'elsewhere.example.com'))
    const other = await generateTlsCertificate(['box'], Date.now())
    t.notOk(await takes(served, other.cert, 'box'), 'the CA of another gateway')
  },
)
