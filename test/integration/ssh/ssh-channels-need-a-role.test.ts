/** Forwards, agent, X11 and sftp pass only where the role says so; a refusal says why, is audited, and the rest goes on. */

import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import t, { type Test } from 'tap'
import type { Channel } from '../../../src/protocols/registered.ts'
import { type SshGateway, startSshGateway } from '../../support/ssh-gateway.ts'

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** A server that greets; what a forward should reach. */
async function greeter(t: Test): Promise<number> {
  const server = createServer(socket => socket.on('error', () => undefined).end('hello from behind\n'))
  server.listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function read(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.setEncoding('utf8').on('data', part => {
    text += part
  })
  await once(socket, 'close')
  return text
}

const start = (t: Test, ...channels: Channel[]) => startSshGateway(t, { role: { channels } })

async function denied({ gateway }: SshGateway): Promise<string[]> {
  const events = await gateway.parts.audit.list({})
  return events.filter(event => event.kind === 'channel.denied').map(event => JSON.parse(event.data).what)
}

const withOptions = ({ run, options, gateway, login }: SshGateway, ...args: string[]) =>
  run(
    'ssh',
    ...options,
    '-p',
    String(gateway.ssh!.port),
    '-l',
    login,
    ...args.slice(0, -1),
    gateway.ssh!.host,
    args.at(-1)!,
  )

t.test('a shell, a command, sftp: each only where the role says so', async t => {
  const gateway = await start(t, 'local-forward', 'exec')
  const shell = await gateway.ssh().ended
  t.equal(shell.status, 255)
  t.match(shell.stderr, /shell refused: the role does not allow it \[CHANNEL_DENIED, session ses_/)
  const { run, options, login } = gateway
  const sftp = await run(
    'sftp',
    ...options,
    '-P',
    String(gateway.gateway.ssh!.port),
    '-b',
    '/dev/null',
    `${login}@127.0.0.1`,
  ).ended
  t.equal(sftp.status, 255)
  t.match(sftp.stderr, /sftp refused/)
  t.match(await gateway.ssh('echo fine').ended, { status: 0, stdout: 'fine\n' })
  t.same((await denied(gateway)).sort(), ['sftp', 'shell'])
})

t.test('forwards are refused without the role, and the session goes on', async t => {
  const gateway = await start(t, 'exec')
  const behind = await greeter(t)
  const remote = await withOptions(gateway, '-R', `0:127.0.0.1:${behind}`, 'echo fine').ended
  t.match(remote, { status: 0, stdout: 'fine\n', stderr: /remote port forwarding failed/ })
  const port = await freePort()
  const local = withOptions(gateway, '-L', `${port}:127.0.0.1:${behind}`, 'echo ready; cat')
  await local.printed(/ready/)
  t.equal(await read(port), '', 'nothing comes through')
  await local.printed(/local-forward refused: the role does not allow it/)
  local.stdin.end('still here\n')
  t.match(await local.ended, { stdout: /still here/ })
  t.same((await denied(gateway)).sort(), ['local-forward', 'remote-forward'])
})

t.test('with the role, local and remote forwards work and are recorded', async t => {
  const gateway = await start(t, 'exec', 'local-forward', 'remote-forward')
  const behind = await greeter(t)
  const port = await freePort()
  const local = withOptions(gateway, '-L', `${port}:127.0.0.1:${behind}`, 'echo ready; cat')
  await local.printed(/ready/)
  t.equal(await read(port), 'hello from behind\n')
  local.stdin.end()
  await local.ended
  const { events } = await gateway.recorded()
  t.match(
    events.filter(event => event.type === 'forward'),
    [{ kind: 'direct-tcpip', host: '127.0.0.1', port: behind }],
  )
  const far = await freePort()
  const remote = withOptions(gateway, '-R', `${far}:127.0.0.1:${behind}`, 'echo ready; cat')
  await remote.printed(/ready/)
  t.equal(await read(far), 'hello from behind\n')
  remote.stdin.end()
  t.match(await remote.ended, { status: 0 })
})

t.test('an agent is lent only where the role says so', async t => {
  for (const allowed of [false, true]) {
    const gateway = await start(t, 'exec', ...(allowed ? (['agent'] as const) : []))
    const { run, options, login, identityFile } = gateway
    const { host, port } = gateway.gateway.ssh!
    const ssh = `ssh -A ${options
      .filter(word => word !== 'IdentityAgent=none')
      .join(' ')
      .replaceAll('-o -o', '-o')} -p ${port} -l ${login} ${host} 'ssh-add -l'`
    const result = await run(
      'sh',
      '-c',
      `eval $(ssh-agent) >/dev/null; ssh-add -q ${identityFile}; ${ssh}; s=$?; kill $SSH_AGENT_PID; exit $s`,
    ).ended
    if (allowed) t.match(result, { status: 0, stdout: /ED25519/ })
    else {
      t.match(result, { status: 2, stderr: /agent refused: the role does not allow it/ })
      t.same(await denied(gateway), ['agent'])
    }
  }
})
