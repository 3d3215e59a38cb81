/** Whoever holds connections open without logging in, from however many addresses, keeps nobody from logging in. */

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { addOrders, addToRole } from '../../support/orders.ts'
import { sslRequest } from '../../support/postgres-bytes.ts'
import { psql } from '../../support/psql.ts'
import { clientOptions, startClient } from '../../support/ssh-client.ts'
import { startTestGateway, type TestGateway } from '../../support/start-gateway.ts'
import { startPostgres } from '../../support/start-postgres.ts'
import { startSshd } from '../../support/start-sshd.ts'
import { addWeb01 } from '../../support/web-01.ts'

const [sshd, orders] = await Promise.all([startSshd(), startPostgres()])
for (const server of [sshd, orders]) t.teardown(() => server.stop())

async function start(t: Test, workers: number) {
  const gateway = await startTestGateway({
    configure(config) {
      config.workers = workers
      config.log.level = 'silent'
    },
  })
  t.teardown(() => gateway.close())
  // A password is enough, so that nobody waits for codes.
  const alice = await addWeb01(gateway, sshd, { factors: [['password']] })
  const account = await addOrders(gateway, orders, { factors: [['password']] })
  await addToRole(gateway, 'alice', 'dba')
  const byPassword = { password: alice.password }
  return {
    gateway,
    async byPsql(): Promise<string> {
      const to = `host=127.0.0.1 port=${gateway.postgres!.port} user=alice+${account} dbname=postgres sslmode=require`
      const { stdout, stderr } = await psql(to, alice.password, ['select 1'])
      return stdout + stderr
    },
    async bySsh(from: string): Promise<string> {
      const options = ['-F', 'none', ...clientOptions(byPassword), '-b', from, '-p', String(gateway.ssh!.port)]
      const login = `alice+${sshd.account}+web-01`
      const { stdout, stderr } = await startClient('ssh', [...options, '-l', login, '127.0.0.1', 'echo in'], byPassword)
        .ended
      return stdout + stderr
    },
  }
}

/** Opens that many from each of the addresses; resolves when all have been accepted. Gone when the test is over. */
async function holdOpen(t: Test, port: number, addresses: string[], each: number, words: Buffer): Promise<Socket[]> {
  const sockets: Socket[] = []
  t.teardown(() => sockets.forEach(socket => void socket.destroy()))
  for (let i = 0; i < each; i++) {
    const some = addresses.map(localAddress => connect({ host: '127.0.0.1', port, localAddress }))
    sockets.push(...some)
    await Promise.all(
      some.map(async socket => {
        socket.on('error', () => undefined).resume()
        await Promise.race([once(socket, 'connect'), once(socket, 'close')])
        if (words.length > 0) socket.write(words)
      }),
    )
  }
  return sockets
}

const NOTHING = Buffer.alloc(0)

for (const workers of [1, 2]) {
  t.test(`with ${workers} process(es)`, async t => {
    const { gateway, byPsql, bySsh } = await start(t, workers)
    t.match(await bySsh('127.0.0.1'), /^in/)
    t.equal(await byPsql(), '1')
    const hold = async (addresses: string[], each: number, ssh: Buffer, postgres: Buffer) => {
      await holdOpen(t, gateway.ssh!.port, addresses, each, ssh)
      await holdOpen(t, gateway.postgres!.port, addresses, each, postgres)
    }

    await hold(['127.1.0.1', '127.1.0.2', '127.1.1.1', '127.2.0.1', '127.3.0.1'], 50, NOTHING, NOTHING)
    t.match(await bySsh('127.0.0.1'), /^in/, '250 idle ones from 5 addresses')
    t.equal(await byPsql(), '1')

    const many = Array.from({ length: 200 }, (_, i) => `127.${100 + (i >> 4)}.${i & 15}.1`)
    await hold(many, 3, NOTHING, NOTHING)
    await hold(many, 2, Buffer.from('SSH-2.0-idle\r\n'), sslRequest)
    t.match(await bySsh('127.0.0.1'), /^in/, '1000 from 200 addresses, some of whom say something')
    t.equal(await byPsql(), '1')

    let tries = 1
    while (!/^in/.test(await bySsh('127.9.9.9'))) tries++
    t.pass(`and a newcomer at try ${tries}: who is silent for long makes room`)
    t.ok((await evicted(gateway)) > 0)
  })
}

async function evicted(gateway: TestGateway): Promise<number> {
  const { values } = await gateway.parts.metrics.evictions.get()
  return values.reduce((sum, { value }) => sum + value, 0)
}
