/** The protocol of test/support/line-protocol is added by one call, and has all that SSH and PostgreSQL have: nothing in src/ knows its name. */

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { parseConfig } from '../../../src/config/load-config.ts'
import { addProtocol } from '../../../src/protocols/registered.ts'
import { verifyRecording } from '../../../src/recording/store/verify.ts'
import { applyResources } from '../../../src/resources/apply.ts'
import { parseResources } from '../../../src/resources/parse.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { lines } from '../../support/line-protocol/facts.ts'
import { nextLine } from '../../support/line-protocol/next-line.ts'
import { asOwner } from '../../support/run-cli.ts'
import { startTestGateway } from '../../support/start-gateway.ts'

addProtocol(lines)

const VAULTED = 'only the vault knows'
const logins: string[] = []
const box = createServer(socket => {
  void (async () => {
    socket.on('error', () => undefined).write('HELLO\n')
    const login = await nextLine(socket)
    logins.push(login)
    socket.write(login === `root ${VAULTED}` ? 'WELCOME\n' : 'GO AWAY\n')
    for (let line = await nextLine(socket); line !== ''; line = await nextLine(socket)) socket.write(`${line}?\n`)
  })()
}).listen(0, '127.0.0.1')
await once(box, 'listening')
t.teardown(() => box.close())

const gateway = await startTestGateway()
t.teardown(() => gateway.close())
const { parts } = gateway

const resources = (port: number, more = '') => `
kind: role
name: liners
targets: { names: [box] }
accounts: { names: [root] }
factors: [[password, totp]]
---
kind: target
name: box
protocol: lines
host: 127.0.0.1
allowLocal: true
port: ${port}
accounts: [{ name: root }]
${more}`
const { port: boxPort } = box.address() as AddressInfo
const apply = (text: string) => applyResources([{ name: 'box.yaml', text }], { ...parts, connectors: new Map() })
await apply(resources(boxPort))
await parts.vault.setCredential(
  { account: 'root', target: 'box' },
  { kind: 'password', password: new Secret(VAULTED) },
  'test',
)
const alice = await gateway.addUser({ name: 'alice', roles: ['liners'] })

async function open(login: string, secret: string): Promise<{ socket: Socket; answer: string }> {
  const { host, port } = (gateway as unknown as Record<string, { host: string; port: number }>).lines!
  const socket = connect(port, host)
  socket.write(`${login} ${secret}\n`)
  return { socket, answer: await nextLine(socket) }
}

const events = async (session: string) =>
  (await parts.audit.list({ session })).map(({ kind }) => kind).toSorted((a, b) => (a < b ? -1 : 1))

t.test('a session is proven, granted, lent a credential, relayed, recorded and audited', async t => {
  const { socket, answer } = await open('alice+root+box', `${alice.password}${alice.code()}`)
  t.match(answer, /^OK ses_/)
  const session = answer.slice(3)
  socket.write('who are you\n')
  t.equal(await nextLine(socket), 'who are you?')
  t.equal(gateway.worker!.live.count, 1)
  socket.end()
  await once(socket, 'close')
  const ended = await gateway.ended(session)
  t.match(ended, { reason: 'client-closed', hash: /^[0-9a-f]{64}$/ })
  t.same(logins, [`root ${VAULTED}`])
  t.same(await events(session), [
    'decision.granted',
    'lease.ended',
    'lease.started',
    'login.accepted',
    'session.ended',
    'session.started',
  ])
  t.match(await parts.sessions.get(session), { protocol: 'lines', account: 'root', target: 'box' })
  const recording = join(gateway.config.recording.folder, ended.recording)
  t.match(await verifyRecording(recording, parts.signer.publicKeyPem), { ok: true, subject: { protocol: 'lines' } })
  t.match((await asOwner(gateway, ['session', 'export', session, '--format', 'text'])).stdout, /who are you\?/)
})

t.test('a wrong code is refused with the words of the protocol, and the target hears nothing of it', async t => {
  const before = logins.length
  const { answer } = await open('alice+root+box', `${alice.password}000000`)
  t.match(answer, /^NO LOGIN_REFUSED ses_\w+ The line was refused\.$/)
  t.equal(logins.length, before)
})

t.test('a role that names other protocols, or another channel, does not open it', async t => {
  for (const change of [{ protocols: ['ssh', 'postgres'] as const }, { channels: ['shell', 'sql'] as const }]) {
    await gateway.addRole({
      ...{ name: 'liners', targets: { names: ['box'] }, accounts: { names: ['root'] } },
      ...{ protocols: change.protocols && [...change.protocols], channels: change.channels && [...change.channels] },
    })
    const { answer } = await open('alice+root+box', `${alice.password}${alice.code()}`)
    t.match(answer, /^NO ACCESS_DENIED ses_/)
  }
  await apply(resources(boxPort))
})

t.test('its connections are not those of another protocol, nor its targets', async t => {
  await gateway.addTarget({ name: 'web-01', protocol: 'ssh', host: '127.0.0.1', accounts: [{ name: 'root' }] })
  await gateway.addRole({ name: 'liners', targets: { names: ['*'] }, accounts: { names: ['root'] } })
  const { answer } = await open('alice+root+web-01', `${alice.password}${alice.code()}`)
  t.match(answer, /^NO ACCESS_DENIED ses_/)
  await apply(resources(boxPort))
})

t.test('kill ends it', async t => {
  const { socket, answer } = await open('alice+root+box', `${alice.password}${alice.code()}`)
  const session = answer.slice(3)
  await parts.live.kill(session)
  t.match(await nextLine(socket), /^BYE .*an administrator ended the session/)
  t.match(await gateway.ended(session), { reason: 'killed' })
})

t.test('a credential stays with what its facts call the identity', async t => {
  const plan = await apply(resources(boxPort, 'greeting: HI'))
  t.same(await parts.vault.followTargets(plan.changedTargets.map(({ name }) => name)), [
    { account: 'root', target: 'box' },
  ])
  const { answer } = await open('alice+root+box', `${alice.password}${alice.code()}`)
  t.match(answer, /^NO CREDENTIAL_UNAVAILABLE ses_/)
  await apply(resources(boxPort, 'greeting: HELLO'))
})

t.test('files, configuration, API and CLI know it by its facts', async t => {
  const complaints = (more: string) =>
    parseResources([{ name: 'box.yaml', text: resources(1, more) }]).problems.map(({ message }) => message)
  t.same(complaints("greeting: ''"), ['greeting is empty.'])
  t.match(complaints('hostKeys: []'), [/hostKeys is not known/])
  t.match(complaints('greetin: HI'), [/did you mean greeting/])
  t.equal((parseConfig('x.yaml', 'lines: { port: 4001 }') as unknown as { lines: { port: number } }).lines.port, 4001)
  t.throws(() => parseConfig('x.yaml', 'lines: { prot: 4001 }'), { message: /did you mean/ })
  t.match((await asOwner(gateway, ['target', 'list'])).stdout, /box +lines +127\.0\.0\.1:\d+ +root +greets with HELLO/)
  t.match((await asOwner(gateway, ['target', 'scan', 'box'])).stderr, /is a lines target: it is known by its greeting/)
  t.match((await asOwner(gateway, ['target', 'logins', 'box'])).stderr, /is no database: it is known by its greeting/)
  t.match((await asOwner(gateway, ['explain', 'alice', 'root@box'])).stdout, /Yes, by the role liners.*channels +line/s)
  t.match((await asOwner(gateway, ['session', 'list', '--protocol', 'lines'])).stdout, /root@box/)
})
