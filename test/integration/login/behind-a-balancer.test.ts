/** Behind a balancer that is named, everything sees where people really come from; from anybody else its header is worth nothing. */

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { connect } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { addOrders, addToRole } from '../../support/orders.ts'
import { psql } from '../../support/psql.ts'
import { clientOptions, startClient } from '../../support/ssh-client.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { startHaproxy } from '../../support/start-haproxy.ts'
import { startPostgres } from '../../support/start-postgres.ts'
import { startSshd } from '../../support/start-sshd.ts'
import { addWeb01, makeToken } from '../../support/web-01.ts'

const BALANCER = '127.0.0.50'
const [sshd, orders] = await Promise.all([startSshd(), startPostgres()])
for (const server of [sshd, orders]) t.teardown(() => server.stop())

async function start(t: Test, workers: number) {
  const gateway = await startTestGateway({
    configure(config) {
      config.workers = workers
      config.log.level = 'silent'
      for (const port of [config.ssh, config.postgres, config.api]) port.proxyProtocol = { from: [`${BALANCER}/32`] }
    },
  })
  t.teardown(() => gateway.close())
  const alice = await addWeb01(gateway, sshd, { factors: [['password']], sources: ['127.0.0.77/32'] })
  const account = await addOrders(gateway, orders, { factors: [['password']] })
  await addToRole(gateway, 'alice', 'dba')
  return { gateway, alice, account }
}

for (const workers of [1, 2]) {
  t.test(`with ${workers} process(es)`, async t => {
    const { gateway, alice, account } = await start(t, workers)
    const behind = async (to: { host: string; port: number }, sends: string) => {
      const haproxy = await startHaproxy({ to, from: BALANCER, sends })
      t.teardown(() => haproxy.stop())
      return haproxy.port
    }
    const sources = async () => (await gateway.parts.sessions.list()).map(({ source }) => source)
    const ssh = async (port: number, from: string, host = '127.0.0.1') => {
      const answers = { password: alice.password }
      const options = ['-F', 'none', ...clientOptions(answers), '-b', from, '-p', String(port)]
      return startClient('ssh', [...options, '-l', `alice+${sshd.account}+web-01`, host, 'echo in'], answers).ended
    }
    const refused = async () =>
      (await gateway.parts.audit.list({ kind: 'connection.refused' })).map(({ data }) => JSON.parse(data))

    for (const sends of ['send-proxy-v2', 'send-proxy', 'send-proxy-v2 proxy-v2-options crc32c,unique-id']) {
      const port = await behind(gateway.ssh!, sends)
      t.match(await ssh(port, '127.0.0.77'), { status: 0, stdout: 'in\n' }, sends)
      t.match(
        await ssh(port, '127.0.0.78'),
        { status: 255, stderr: /ACCESS_DENIED/ },
        'the role asks for the real source',
      )
    }
    t.same(await sources(), ['127.0.0.77', '127.0.0.77', '127.0.0.77'])

    const port = await behind(gateway.postgres!, 'send-proxy-v2')
    const to = `host=127.0.0.1 port=${port} user=alice+${account} dbname=postgres sslmode=require`
    t.match(await psql(to, alice.password, ['select 1']), { stdout: '1' })
    t.match(await sources(), ['127.0.0.1', '127.0.0.77', '127.0.0.77', '127.0.0.77'])

    const { host, port: apiPort } = new URL(gateway.api.url!)
    const api = await behind({ host: host.split(':')[0]!, port: Number(apiPort) }, 'send-proxy-v2')
    const { ca, token } = await makeToken(gateway, 'alice', 'read')
    const status = async (text: string) => {
      const asked = request({
        ...{ host: '127.0.0.1', port: api, localAddress: '127.0.0.79', path: '/v1/sessions', agent: false },
        ...{ ca: readFileSync(ca), headers: { authorization: `Bearer ${text}` } },
      }).end()
      const [answer] = await once(asked, 'response')
      answer.resume()
      return answer.statusCode
    }
    t.equal(await status(token), 200)
    t.equal(await status('sp_wrong'), 401)
    const badTokens = () => gateway.parts.audit.list({ kind: 'api.refused' })
    while ((await badTokens()).length === 0) await setImmediate()
    t.match(JSON.parse((await badTokens())[0]!.data), { source: '127.0.0.79' })

    t.same(await refused(), [])
    const headerOf = (localAddress: string, bytes: string) => {
      const socket = connect({ ...gateway.ssh!, localAddress })
      socket.on('error', () => undefined).resume()
      socket.write(bytes)
      return once(socket, 'close')
    }
    /** The event is written by and by: the connection does not wait for it. */
    const refusals = async (count: number) => {
      while ((await refused()).length < count) await setImmediate()
      return refused()
    }
    await headerOf(BALANCER, 'SSH-2.0-client\r\n')
    t.match(await refusals(1), [
      { code: 'PROTOCOL_VIOLATION', source: BALANCER, why: /PROXY header: .*does not begin/ },
    ])
    await headerOf('127.0.0.2', 'PROXY TCP4 127.0.0.77 127.0.0.1 1 2\r\nSSH-2.0-client\r\n')
    t.match(
      (await refusals(2)).at(-1),
      { code: 'PROTOCOL_VIOLATION', source: '127.0.0.2' },
      'from a stranger it is garbage',
    )
  })
}
