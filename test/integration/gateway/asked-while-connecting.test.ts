/** Whoever connects to what a role gives on request alone: told what is missing and how to ask for it, by real clients. */

import { readFileSync } from 'node:fs'
import t from 'tap'
import { Secret } from '../../../src/shared/secret.ts'
import { inTerminal, type Step } from '../../support/in-terminal.ts'
import { clientOptions, startClient } from '../../support/ssh-client.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { startPostgres } from '../../support/start-postgres.ts'
import { makeKey, startSshd } from '../../support/start-sshd.ts'

const [postgres, sshd] = await Promise.all([startPostgres(), startSshd()])
for (const server of [postgres, sshd]) t.teardown(() => server.stop())
const gateway = await startTestGateway()
t.teardown(() => gateway.close())
const { parts } = gateway
const { account } = sshd
const { superuser, superPassword } = postgres
const identityFile = makeKey(sshd.folder, 'alice', 'ed25519')

await gateway.addRole({
  ...{ name: 'ops', targets: { names: ['web-01', 'orders'] }, accounts: {}, factors: [['publickey'], ['password']] },
  onRequest: [{ accounts: { levels: ['admin'] }, approvers: ['role:leads', 'manager'], ticket: 'INC-\\d+' }],
})
await gateway.addTarget(
  {
    ...{ name: 'web-01', protocol: 'ssh', host: sshd.host, port: sshd.port, hostKeys: sshd.hostKeys },
    accounts: [{ name: account, level: 'admin' }],
  },
  { [account]: { kind: 'private-key', privateKey: new Secret(sshd.privateKey) } },
)
await gateway.addTarget(
  {
    ...{ name: 'orders', protocol: 'postgres', host: postgres.host, port: postgres.port, tls: 'disable' },
    accounts: [{ name: superuser, level: 'admin' }],
  },
  { [superuser]: { kind: 'password', password: new Secret(superPassword) } },
)
const publicKeys = [readFileSync(`${identityFile}.pub`, 'utf8').trim()]
const alice = await gateway.addUser({ name: 'alice', roles: ['ops'], publicKeys })

const ssh = (login: string, ...command: string[]) => {
  const { host, port } = gateway.ssh!
  const options = clientOptions({ identityFile })
  return startClient('ssh', ['-F', 'none', ...options, '-p', String(port), '-l', login, host, ...command], {
    identityFile,
  })
}
const psql = (user: string, database: string) => {
  const { host, port } = gateway.postgres!
  const connection = `host=${host} port=${port} user=${user} dbname=${database} sslmode=require`
  return startClient('env', [`PGPASSWORD=${alice.password}`, 'psql', '-X', '-c', 'select 1', connection], {
    identityFile,
  })
}

t.test('ssh is told who approves, and the whole command that asks for it', async t => {
  const { status, stderr } = await ssh(`alice+${account}+web-01`, 'true').ended
  t.equal(status, 255)
  t.match(
    stderr,
    `${account}@web-01 is given on request, approved by role:leads or manager. [ACCESS_DENIED, session ses_`,
  )
  t.match(stderr, `\nTo ask for it: ssh alice@gateway request ${account}@web-01 --reason "'...'" --ticket ...`)
})

t.test('psql is told the same: a FATAL of SQLSTATE 42501, whose HINT is the command', async t => {
  const { status, stderr } = await psql(`alice+${superuser}+orders`, 'postgres').ended
  t.equal(status, 2)
  t.match(stderr, `FATAL:  ACCESS_DENIED: Access denied: ${superuser}@orders is given on request, approved by`)
  t.match(stderr, `HINT:  To ask for it: ssh alice@gateway request ${superuser}@orders --reason "'...'" --ticket ...\n`)
})

t.test('of what cannot be asked for, nothing is told', async t => {
  const attempts = [
    ssh('alice+nobody+web-01', 'true'),
    ssh('alice+root+nowhere', 'true'),
    psql(`alice+${superuser}+orders`, 'not-opened-by-the-role'),
  ]
  for (const { ended } of attempts) {
    const { status, stderr } = await ended
    t.not(status, 0)
    t.notMatch(stderr, /on request|To ask for it/)
  }
})

t.test('the audit log says that it could be asked for', async t => {
  const events = await parts.audit.list({ limit: 1000 })
  const denied = events.filter(({ kind }) => kind === 'decision.denied').map(({ data }) => JSON.parse(data).onRequest)
  t.strictSame(denied.filter(Boolean).toSorted(), [`${account}@web-01 by ops`, `${superuser}@orders by ops`].toSorted())
})

t.test('the menu lists it as what is given on request, and Enter asks for what another client reaches', async t => {
  const web = `${account}@web-01`
  const menu = (steps: Step[], term?: string) => {
    const options = ['-F', 'none', ...clientOptions({ identityFile })]
    const run = (program: string, ...args: string[]) => startClient(program, args, { identityFile })
    return inTerminal({ run, options, login: 'alice', gateway, sshd }, steps, { login: 'alice', ...(term && { term }) })
  }
  const asked = () => parts.requests.rows.list({ user: 'alice', limit: 10 })
  const chosen: Step[] = [
    { size: [24, 250], expect: '2 accounts' },
    { type: 'web-01', expect: '1 of 2' },
  ]
  const given = await menu([
    ...chosen,
    { type: '\r', expect: 'approved by role:leads or manager. Ctrl-C gives up. Reason:' },
    { type: 'disk is full', expect: 'disk is full' },
    { type: '\x1b', expect: 'Nothing was asked for' },
    { type: '\x03\x03' },
  ]).ended
  t.match(given.stdout, /\[on request\]/)
  const elsewhere: Step[] = [
    { size: [24, 250], expect: '2 accounts' },
    { type: 'orders', expect: '1 of 2' },
  ]
  await menu([
    ...elsewhere,
    { type: '\r', expect: 'approved by role:leads or manager. Reason:' },
    { type: '\x1b', expect: 'was not asked for' },
    { type: '\x03\x03' },
  ]).ended
  t.strictSame(await asked(), [], 'Esc gives up')

  await menu([
    ...elsewhere,
    { type: '\r', expect: 'Reason:' },
    { type: 'disk is full', expect: 'disk is full' },
    { type: '\r', expect: 'Ticket, of the form INC-' },
    { type: 'INC-7\r', expect: 'waiting for its decision' },
    { type: '\x03\x03' },
  ]).ended
  const { stdout } = await menu([
    { size: [24, 250], expect: '[asked for, not approved yet]' },
    { type: 'orders', expect: '1 of 2' },
    { type: '\r', expect: 'waiting for its decision' },
    { type: '\x03\x03' },
  ]).ended
  t.match(stdout, /\[asked for, not approved yet\]/)
  const [request, ...more] = await asked()
  t.match(request, { role: 'ops', wish: { reason: 'disk is full', ticket: 'INC-7' }, state: { is: 'pending' } })
  t.strictSame(more, [], 'Enter on what waits already says so, and asks for nothing more')

  const listed = await menu([{ size: [24, 250], expect: `${web}  [on request]` }, { type: 'q\n' }], 'dumb').ended
  t.match(listed.stdout, /\[on request\]/)
  const { stdout: targets } = await ssh('alice', 'targets').ended
  t.notMatch(targets, /web-01/, 'what cannot be used now is in no list of what can')
})
