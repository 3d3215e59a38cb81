/** A gateway is killed while it rotates an account that was due: the next one does it. */

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { openDatabase } from '../../../src/database/database.ts'
import { createSchedule } from '../../../src/schedule/schedule.ts'
import { systemClock } from '../../../src/shared/clock.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { psql } from '../../support/psql.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { startGatewayProcess } from '../../support/start-gateway-process.ts'
import { startPostgres } from '../../support/start-postgres.ts'

/** In front of a server: it takes connections and says nothing, until it is opened. */
async function startDoor(to: { host: string; port: number }) {
  const came = Promise.withResolvers<void>()
  let isOpen = false
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    came.resolve()
    if (!isOpen) return
    const beyond = connect(to)
    beyond.on('error', () => undefined)
    socket.pipe(beyond).pipe(socket)
    sockets.add(beyond)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    came: came.promise,
    open() {
      isOpen = true
    },
    close() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

t.test('what a gateway was killed at is done when the next one starts', async t => {
  const server = await startPostgres({ sql: `create role app login password 'first'` })
  t.teardown(() => server.stop())
  const door = await startDoor(server)
  t.teardown(() => door.close())
  const prepared = await startTestGateway()
  t.teardown(() => prepared.close())
  await prepared.addTarget(
    {
      ...{ name: 'orders', protocol: 'postgres', host: '127.0.0.1', port: door.port, tls: 'disable', allowLocal: true },
      ...{ database: 'postgres', accounts: [{ name: 'app' }] },
    },
    { app: { kind: 'password', password: new Secret('first') } },
  )
  await prepared.stop()
  const database = await openDatabase(prepared.config.database)
  t.teardown(() => database.destroy())
  const schedule = createSchedule({ database, clock: systemClock })
  const payload = { trigger: 'leak', by: 'owner' }
  await schedule.plan({ kind: 'rotate', key: 'app@orders', dueAt: Date.now(), payload })

  const first = await startGatewayProcess(prepared)
  t.teardown(() => first.child.end('SIGKILL'))
  await door.came
  t.match(await schedule.list({ kind: 'rotate' }), [{ state: 'running', payload }])
  await first.child.end('SIGKILL')
  door.open()

  const second = await startGatewayProcess(prepared)
  t.teardown(() => second.child.end('SIGKILL'))
  const works = async () =>
    (await psql(`host=${server.host} port=${server.port} user=app dbname=postgres`, 'first', ['select 1'])).code === 0
  while ((await schedule.list({ kind: 'rotate' })).length > 0) await setTimeout(100)
  t.equal(await works(), false, 'it has another password')
  const versions = await database.selectFrom('credentials').select(['version', 'cause', 'trigger']).execute()
  t.match(versions.at(-1), { cause: 'rotated', trigger: 'leak' })
})
