/** A pool may open many connections at once; and whoever finds no place is told so where clients look for it. */

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import pg from 'pg'
import t, { type Test } from 'tap'
import type { Config } from '../../../src/config/config.ts'
import { addOrders } from '../../support/orders.ts'
import { startup } from '../../support/postgres-bytes.ts'
import { psql } from '../../support/psql.ts'
import { startSsh } from '../../support/ssh-client.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { startPostgres } from '../../support/start-postgres.ts'

const orders = await startPostgres()
t.teardown(() => orders.stop())

async function start(t: Test, configure: (config: Config) => void = () => undefined) {
  const gateway = await startTestGateway({ configure })
  t.teardown(() => gateway.close())
  const account = await addOrders(gateway, orders, { factors: [['password', 'totp']], rememberFactor: '10m' })
  const alice = await gateway.addUser({ name: 'alice', roles: ['dba'] })
  const to = `host=127.0.0.1 port=${gateway.postgres!.port} user=alice+${account} dbname=postgres sslmode=require`
  return { gateway, alice, to, login: `alice+${account}` }
}

/** Connections that say nothing, from one address. */
async function hold(t: Test, to: { host: string; port: number }, count: number): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () => connect(to))
  t.teardown(() => sockets.forEach(socket => void socket.destroy()))
  await Promise.all(sockets.map(socket => once(socket, 'connect')))
  return sockets
}

t.test('eighty connections at once get in, from a source that was never seen before', async t => {
  const { gateway, alice, login } = await start(t)
  const { host, port } = gateway.postgres!
  const password = alice.password + alice.code()
  const clients = Array.from(
    { length: 80 },
    () =>
      new pg.Client({
        ...{ host, port, password, user: login, database: 'postgres' },
        ssl: { rejectUnauthorized: false },
      }),
  )
  const answers = await Promise.all(
    clients.map(async client => {
      await client.connect()
      return (await client.query('select 1 as one')).rows[0].one
    }),
  )
  t.equal(answers.filter(one => one === 1).length, 80)
  await Promise.all(clients.map(client => client.end()))
  const { values } = await gateway.worker!.metrics.connectionsRefused.get()
  t.same(values, [])
})

t.test('who finds no place in PostgreSQL is told so inside TLS, with code and session', async t => {
  const { gateway, alice, login, to } = await start(t, config => {
    config.postgres.maxPerSource = 2
  })
  await hold(t, gateway.postgres!, 2)
  const { stderr } = await psql(to, alice.password + alice.code(), ['select 1'])
  t.match(stderr, /FATAL: +TOO_MANY_CONNECTIONS: There are too many connections; try again in a moment. \(session ses_/)
  t.notMatch(stderr, /SSL exchange|expected/)

  const direct = connectTls({ ...gateway.postgres!, rejectUnauthorized: false, ALPNProtocols: ['postgresql'] })
  direct.on('error', () => undefined)
  await once(direct, 'secureConnect')
  direct.write(startup({ user: login }))
  const [answer] = await once(direct, 'data')
  t.match(answer.toString('latin1'), /^E.*C53300.*TOO_MANY_CONNECTIONS/s)
  direct.destroy()
  const refusals = () => gateway.parts.audit.list({ kind: 'connection.refused' })
  while ((await refusals()).length < 2) await once(AbortSignal.timeout(20), 'abort')
  t.match(
    (await refusals()).map(({ session, data }) => [session, JSON.parse(data)]),
    [
      [/^ses_/, { protocol: 'postgres', code: 'TOO_MANY_CONNECTIONS', why: 'from one source' }],
      [/^ses_/, { protocol: 'postgres', code: 'TOO_MANY_CONNECTIONS', why: 'from one source' }],
    ],
  )
})

t.test('who finds no place in SSH is told so without -v, with code and session', async t => {
  const { gateway, login } = await start(t, config => {
    config.ssh.maxPerSource = 2
  })
  await hold(t, gateway.ssh!, 2)
  const { status, stderr } = await startSsh(gateway.ssh!, login, { password: 'any' }, 'true').ended
  t.equal(status, 255)
  t.match(stderr, /Received disconnect from .*TOO_MANY_CONNECTIONS: .*try again in a moment, session ses_/)
})
