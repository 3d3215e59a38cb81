/** Whatever a request says, the gateway and the target read the same in it, or the target never hears of it. */

import t from 'tap'
import type { Channel } from '../../../src/protocols/registered.ts'
import { MESSAGE } from '../../../src/protocols/ssh/transport/messages.ts'
import { boolean, string, uint32, WireReader } from '../../../src/shared/ssh-encoding/wire.ts'
import { logIn, startGatewayFor } from '../../support/alice-by-raw-ssh.ts'
import { openSession } from '../../support/raw-ssh-client.ts'
import { startSshd } from '../../support/start-sshd.ts'

// The second name of the same server: sshd tells them apart, and does not fold case.
const sshd = await startSshd({ config: ['Subsystem SFTP internal-sftp', 'AcceptEnv *'] })
t.teardown(() => sshd.stop())

async function begin(channels: Channel[]) {
  const gateway = await startGatewayFor(sshd, { channels })
  const client = await logIn(gateway)
  const session = gateway.sessions.at(-1)!
  let channel = await openSession(client, 1_000_000)
  return {
    client,
    session,
    async anew() {
      client.send(MESSAGE.CHANNEL_CLOSE, uint32(channel))
      await client.next(MESSAGE.CHANNEL_CLOSE)
      channel = await openSession(client, 1_000_000)
    },
    /** The number of the answer. */
    async ask(name: string, ...fields: Uint8Array[]): Promise<number> {
      client.send(MESSAGE.CHANNEL_REQUEST, uint32(channel), string(name), boolean(true), ...fields)
      return client.nextOf(MESSAGE.CHANNEL_SUCCESS, MESSAGE.CHANNEL_FAILURE)
    },
    type: (bytes: Uint8Array) => client.send(MESSAGE.CHANNEL_DATA, uint32(channel), string(bytes)),
    data: async () => new WireReader(await client.next(MESSAGE.CHANNEL_DATA), 5).string(),
  }
}

const SFTP_INIT = Buffer.from([0, 0, 0, 5, 1, 0, 0, 0, 3])
const FAILURE = MESSAGE.CHANNEL_FAILURE
const SUCCESS = MESSAGE.CHANNEL_SUCCESS

t.test('no spelling of sftp starts an sftp server under a role with exec alone', async t => {
  const { ask } = await begin(['exec'])
  const spellings = [
    ...[
      'sftp',
      'sftp\0',
      'sftp\0\0',
      's\0ftp',
      '\0sftp',
      'SFTP',
      'Sftp',
      'SFTP\0',
      'sftp ',
      ' sftp',
      'sftp\n',
      'sftp\t',
    ],
    ...['sftp\u00a0', 'sftp\u200b', 'ｓｆｔｐ', 'sftp,exec', '', ' ', '\0', `sftp${'\0'.repeat(300)}`, 'x'.repeat(65)],
  ]
  for (const name of spellings) t.equal(await ask('subsystem', string(name)), FAILURE, JSON.stringify(name))
})

t.test('another spelling that the target knows takes both rights, and its files are told', async t => {
  t.equal(await (await begin(['sftp'])).ask('subsystem', string('SFTP')), FAILURE)
  const { client, session, ask, type, data } = await begin(['sftp', 'exec'])
  t.equal(await ask('subsystem', string('SFTP')), SUCCESS)
  type(SFTP_INIT)
  t.equal((await data())[4], 2, 'the version of an sftp server')
  type(Buffer.from(string(Buffer.concat([Buffer.from([14]), uint32(1), string('/nowhere/at/all'), uint32(0)]))))
  await data()
  client.transport.disconnect(11, 'bye')
  await session.ended
  t.match(
    session.events.filter(event => event.type === 'file'),
    [{ via: 'sftp', operation: 'mkdir', path: '/nowhere/at/all', error: 'no such file' }],
  )
})

t.test('the files of an sftp server that is started as a command are told as well', async t => {
  const { client, session, ask, type, data } = await begin(['exec'])
  t.equal(await ask('exec', string('exec /usr/lib/openssh/sftp-server')), SUCCESS)
  type(SFTP_INIT)
  await data()
  type(string(Buffer.concat([Buffer.from([13]), uint32(1), string('/nowhere/at/all')])))
  await data()
  client.transport.disconnect(11, 'bye')
  await session.ended
  const files = session.events.filter(event => event.type === 'file')
  t.match(files, [{ operation: 'remove', path: '/nowhere/at/all', error: 'no such file' }])
})

t.test('a text with a NUL is refused wherever it stands, and the session goes on', async t => {
  const everything: Channel[] = ['shell', 'exec', 'sftp', 'local-forward', 'remote-forward', 'agent', 'x11']
  const { client, session, ask, anew, data } = await begin(everything)
  const size = [uint32(80), uint32(24), uint32(0), uint32(0), string('')]
  const requests: [string, ...Uint8Array[]][] = [
    ['exec', string('echo shown\0; echo hidden')],
    ['exec', string('true\0')],
    ['subsystem', string('netconf\0')],
    ['env', string('LANG'), string('C\0')],
    ['env', string('LC_ALL\0X'), string('C')],
    ['env', string('LANG\0'), string('C')],
    ['pty-req', string('xterm\0'), ...size],
    ['signal', string('KILL\0')],
    ['x11-req', boolean(false), string('MIT-MAGIC-COOKIE-1\0'), string('00'), uint32(0)],
    ['x11-req', boolean(false), string('MIT-MAGIC-COOKIE-1'), string('00\0'), uint32(0)],
    ['exec\0', string('true')],
    ['shell\0'],
    ['subsystem\0', string('sftp')],
    ['Exec', string('true')],
    ['exec ', string('true')],
  ]
  for (const [name, ...fields] of requests)
    t.equal(await ask(name, ...fields), FAILURE, JSON.stringify([name, `${fields[0]}`]))
  const from = [string('127.0.0.1'), uint32(1)]
  const opens: [string, ...Uint8Array[]][] = [
    ['direct-tcpip', string('127.0.0.1\0'), uint32(sshd.port), ...from],
    ['direct-tcpip', string('127.0.0.1'), uint32(sshd.port), string('127.0.0.1\0'), uint32(1)],
    ['direct-tcpip\0', string('127.0.0.1'), uint32(sshd.port), ...from],
    ['direct-streamlocal@openssh.com', string('/run/a.sock\0'), string(''), uint32(0)],
    ['direct-streamlocal@openssh.com', string('\0abstract'), string(''), uint32(0)],
    ['session\0'],
    ['Session'],
  ]
  for (const [kind, ...fields] of opens) {
    client.send(MESSAGE.CHANNEL_OPEN, string(kind), uint32(9), uint32(1000), uint32(32_768), ...fields)
    const answer = await client.nextOf(MESSAGE.CHANNEL_OPEN_CONFIRMATION, MESSAGE.CHANNEL_OPEN_FAILURE)
    t.equal(answer, MESSAGE.CHANNEL_OPEN_FAILURE, JSON.stringify(kind))
  }
  const globals: [string, ...Uint8Array[]][] = [
    ['tcpip-forward', string('localhost\0'), uint32(0)],
    ['tcpip-forward\0', string('localhost'), uint32(0)],
    ['streamlocal-forward@openssh.com', string('/tmp/never.sock\0')],
    ['cancel-tcpip-forward', string('\0'), uint32(1)],
  ]
  for (const [name, ...fields] of globals) {
    client.send(MESSAGE.GLOBAL_REQUEST, string(name), boolean(true), ...fields)
    const answer = await client.nextOf(MESSAGE.REQUEST_SUCCESS, MESSAGE.REQUEST_FAILURE)
    t.equal(answer, MESSAGE.REQUEST_FAILURE, JSON.stringify(name))
  }
  const told = session.refused.map(({ what, why }) => `${what}: ${why}`)
  t.match(told, [/^request exec: a NUL byte in a text/])
  await anew()
  t.equal(await ask('exec', string('echo still here')), SUCCESS)
  t.equal((await data()).toString(), 'still here\n')
})

t.test('a message with more than its fields ends the session before the target hears of it', async t => {
  const more = Buffer.from('more')
  const messages: [number, ...Uint8Array[]][] = [
    [MESSAGE.CHANNEL_REQUEST, uint32(0), string('exec'), boolean(true), string('true'), more],
    [MESSAGE.CHANNEL_REQUEST, uint32(0), string('shell'), boolean(true), more],
    [MESSAGE.CHANNEL_REQUEST, uint32(0), string('env'), boolean(true), string('LANG'), string('C'), more],
    [MESSAGE.CHANNEL_WINDOW_ADJUST, uint32(0), uint32(1), more],
    [MESSAGE.CHANNEL_EOF, uint32(0), more],
    [MESSAGE.CHANNEL_CLOSE, uint32(0), more],
    [MESSAGE.CHANNEL_EXTENDED_DATA, uint32(0), uint32(1), string('unseen')],
    [MESSAGE.GLOBAL_REQUEST, string('keepalive@openssh.com'), boolean(true), more],
    [MESSAGE.CHANNEL_OPEN, string('session'), uint32(5), uint32(1000), uint32(32_768), more],
    [
      MESSAGE.CHANNEL_OPEN,
      string('direct-tcpip'),
      uint32(5),
      uint32(1000),
      uint32(32_768),
      string('h'),
      uint32(65_558),
      string('h'),
      uint32(1),
    ],
  ]
  for (const [type, ...fields] of messages) {
    const { client, session } = await begin(['exec', 'shell', 'local-forward'])
    client.send(type, ...fields)
    await session.ended
    t.equal(session.reason, 'protocol-violation', `message ${type}`)
    t.match(session.refused, [{ what: 'protocol', why: /^the client broke the protocol: / }])
  }
})

t.test('the end of data said twice is passed once, as some clients say it twice', async t => {
  const { client, ask, data } = await begin(['exec'])
  await ask('exec', string('cat; echo done'))
  client.send(MESSAGE.CHANNEL_EOF, uint32(0))
  client.send(MESSAGE.CHANNEL_EOF, uint32(0))
  t.equal((await data()).toString(), 'done\n')
})

t.test('LC_* is what OpenSSH takes for it', async t => {
  const { ask, data } = await begin(['exec'])
  for (const name of ['LC_P10K', 'LC_d', 'LC_', 'LC_MY_2nd', 'LC_ALL', 'LANG']) {
    t.equal(await ask('env', string(name), string('set')), SUCCESS, name)
  }
  for (const name of ['LC', 'LC-P10K', 'LC_P10K=x', 'LC_ x', 'LC_é', 'XLC_A', 'LC_\n', `LC_${'A'.repeat(70)}`]) {
    t.equal(await ask('env', string(name), string('set')), FAILURE, name)
  }
  await ask('exec', string('echo $LC_P10K $LC_d $LC_MY_2nd'))
  t.equal((await data()).toString(), 'set set set\n')
})
