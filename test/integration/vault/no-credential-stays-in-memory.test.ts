/** After sessions have ended, no process of the gateway holds a copy of what was lent for them; and no signal opens a debugger. */

import { createPrivateKey, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import t from 'tap'
import { openDatabase } from '../../../src/database/database.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { countInMemory, processesUnder } from '../../support/process-memory.ts'
import { psql } from '../../support/psql.ts'
import { startSsh } from '../../support/ssh-client.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { startGatewayProcess } from '../../support/start-gateway-process.ts'
import { startPostgres } from '../../support/start-postgres.ts'
import { startSshd } from '../../support/start-sshd.ts'
import { addWeb01 } from '../../support/web-01.ts'

const SESSIONS = 6
const PASSWORD = `Vaulted-${randomBytes(12).toString('hex')}`
const MD5_PASSWORD = `Earlier-${randomBytes(12).toString('hex')}`
const CLEAR_PASSWORD = `Clear-${randomBytes(12).toString('hex')}`

/** A secret in the forms in which a program keeps text. */
function formsOf(name: string, secret: string): Record<string, Buffer> {
  return {
    [`${name} as UTF-8`]: Buffer.from(secret, 'utf8'),
    [`${name} as UTF-16`]: Buffer.from(secret, 'utf16le'),
    [`${name} as base64`]: Buffer.from(Buffer.from(secret).toString('base64').replace(/=+$/, '').slice(0, -1)),
  }
}

t.test('nothing that was lent stays in the memory of any process', async t => {
  const [sshd, server] = await Promise.all([
    startSshd(),
    startPostgres({
      tls: true,
      hba: ['host all earlier 127.0.0.1/32 md5', 'host all clear 127.0.0.1/32 password'],
      sql: `
        create role app login password '${PASSWORD}';
        create role clear login password '${CLEAR_PASSWORD}';
        set password_encryption = md5; create role earlier login password '${MD5_PASSWORD}'`,
    }),
  ])
  t.teardown(() => Promise.all([sshd.stop(), server.stop()]))
  const prepared = await startTestGateway()
  t.teardown(() => prepared.close())
  const alice = await addWeb01(prepared, sshd)
  await prepared.addRole({
    name: 'sql',
    targets: { names: ['orders'] },
    accounts: { names: ['app', 'earlier', 'clear'] },
    factors: [['password']],
  })
  await prepared.addTarget(
    {
      ...{ name: 'orders', protocol: 'postgres', host: server.host, port: server.port, database: 'postgres' },
      ...{ tls: 'verify-full', ca: readFileSync(server.caFile!, 'utf8'), serverName: 'localhost' },
      authentication: ['scram-sha-256', 'md5', 'password'],
      accounts: [{ name: 'app' }, { name: 'earlier' }, { name: 'clear' }],
    },
    {
      app: { kind: 'password', password: new Secret(PASSWORD) },
      earlier: { kind: 'password', password: new Secret(MD5_PASSWORD) },
      clear: { kind: 'password', password: new Secret(CLEAR_PASSWORD) },
    },
  )
  const bob = await prepared.addUser({ name: 'bob', roles: ['sql'] })
  await prepared.stop()

  const { child, ssh, postgres } = await startGatewayProcess(prepared, { workers: 2, postgres: true })
  t.teardown(() => child.end('SIGTERM'))
  const answers = { password: alice.password, code: () => alice.codeAt(Date.now()) }
  // A code is good for one login.
  const login = await startSsh(ssh, `alice+${sshd.account}+web-01`, answers, 'true').ended
  if (login.status !== 0) t.fail(login.stderr)
  for (let i = 0; i < SESSIONS; i++) {
    for (const account of ['app', 'earlier', 'clear']) {
      const connection = `host=127.0.0.1 port=${postgres!.port} dbname=postgres user=bob+${account}+orders sslmode=require`
      const { stdout, stderr } = await psql(connection, bob.password, ['select 41 + 1'])
      if (stdout !== '42') t.fail(stderr)
    }
  }
  const store = await openDatabase(prepared.config.database)
  t.teardown(() => store.destroy())
  const open = () => store.selectFrom('sessions').select('id').where('state', '<>', 'ended').execute()
  while ((await open()).length > 0) await new Promise(resolve => setTimeout(resolve, 20))

  const { d: seed } = createPrivateKey(await keyOf(sshd.privateKey)).export({ format: 'jwk' })
  const needles = {
    ...formsOf('the SCRAM password', PASSWORD),
    ...formsOf('the md5 password', MD5_PASSWORD),
    ...formsOf('the clear password', CLEAR_PASSWORD),
    'the private key': Buffer.from(seed!, 'base64url'),
  }
  const processes = processesUnder(child.pid)
  t.ok(processes.length >= 3, 'the gateway and its workers')
  for (const pid of processes) {
    const counts = Object.entries(countInMemory(pid, needles)).filter(([, count]) => count > 0)
    t.same(Object.fromEntries(counts), {}, `process ${pid === child.pid ? 'of the gateway' : 'of a worker'}`)
  }
  t.ok(
    countInMemory(processes[0]!, { 'the configuration': Buffer.from('sallyport') })['the configuration']! > 0,
    'memory can be read',
  )

  for (const pid of processes) process.kill(pid, 'SIGUSR1')
  const again = await psql(
    `host=127.0.0.1 port=${postgres!.port} dbname=postgres user=bob+app+orders sslmode=require`,
    bob.password,
    ['select 41 + 1'],
  )
  t.equal(again.stdout, '42', 'SIGUSR1 ends nothing')
  t.notMatch(child.output(), /Debugger listening/)
  await t.rejects(connected(9229), { code: 'ECONNREFUSED' }, 'no debugger listens')
})

async function keyOf(text: string): Promise<string> {
  const { readPrivateKey } = await import('../../../src/shared/private-key/read-private-key.ts')
  return (await readPrivateKey(Buffer.from(text))).export({ type: 'pkcs8', format: 'pem' }).toString()
}

function connected(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: '127.0.0.1', port }, () => {
      socket.destroy()
      resolve()
    })
    socket.once('error', reject)
  })
}
