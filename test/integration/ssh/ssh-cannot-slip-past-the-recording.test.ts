/** Whoever writes their own SSH client still cannot do what the recording does not show. */

import t from 'tap'
import { MESSAGE } from '../../../src/protocols/ssh/transport/messages.ts'
import { boolean, string, uint32, WireReader } from '../../../src/shared/ssh-encoding/wire.ts'
import { logIn, startGatewayFor } from '../../support/alice-by-raw-ssh.ts'
import { openSession } from '../../support/raw-ssh-client.ts'
import { type SshdOptions, startSshd } from '../../support/start-sshd.ts'

async function begin(options: SshdOptions = {}) {
  const sshd = await startSshd(options)
  t.teardown(() => sshd.stop())
  const gateway = await startGatewayFor(sshd)
  const client = await logIn(gateway)
  const session = gateway.sessions.at(-1)!
  const channel = await openSession(client, 1_000_000)
  return {
    client,
    session,
    ask: (name: string, ...fields: Uint8Array[]) =>
      client.send(MESSAGE.CHANNEL_REQUEST, uint32(channel), string(name), boolean(true), ...fields),
    tell: (name: string, ...fields: Uint8Array[]) =>
      client.send(MESSAGE.CHANNEL_REQUEST, uint32(channel), string(name), boolean(false), ...fields),
    type: (text: string) => client.send(MESSAGE.CHANNEL_DATA, uint32(channel), string(text)),
    data: async () => new WireReader(await client.next(MESSAGE.CHANNEL_DATA), 5).utf8(),
    async recordedOutput() {
      client.transport.disconnect(11, 'bye')
      await session.ended
      return session.events.map(event => (event.type === 'output' ? event.bytes.toString() : '')).join('')
    },
  }
}

t.test('the wish for sftp in a channel where a shell runs does not end its recording', async t => {
  const { client, ask, type, data, recordedOutput } = await begin()
  ask('shell')
  await client.next(MESSAGE.CHANNEL_SUCCESS)
  ask('subsystem', string('sftp'))
  await client.next(MESSAGE.CHANNEL_FAILURE)
  type('echo hid""den\n')
  t.equal(await data(), 'hidden\n')
  t.match(await recordedOutput(), /hidden/)
})

t.test('a shell in the place of the sftp server is recorded as what it is', async t => {
  const { client, ask, type, data, recordedOutput } = await begin({ config: ['ForceCommand /bin/sh'] })
  ask('subsystem', string('sftp'))
  await client.next(MESSAGE.CHANNEL_SUCCESS)
  type('echo hid""den\n')
  t.equal(await data(), 'hidden\n')
  t.match(await recordedOutput(), /hidden/)
})

t.test('where the target refuses a subsystem, the command that comes instead runs and is recorded', async t => {
  const { client, ask, data, recordedOutput } = await begin()
  ask('subsystem', string('other'))
  await client.next(MESSAGE.CHANNEL_FAILURE)
  ask('exec', string('echo hid""den'))
  t.equal(await data(), 'hidden\n')
  t.match(await recordedOutput(), /hidden/)
})

t.test('data of another kind than stdout and stderr does not pass', async t => {
  const { client, session } = await begin()
  client.send(MESSAGE.CHANNEL_EXTENDED_DATA, uint32(0), uint32(2), string('x'))
  await session.ended
  t.equal(session.reason, 'protocol-violation')
})

const TERMINAL = [string('xterm'), uint32(80), uint32(24), uint32(0), uint32(0), string('')]

t.test('the wish for a terminal where a program runs already does not end the recording of its input', async t => {
  const { client, session, ask, type, data } = await begin()
  ask('exec', string('sh'))
  await client.next(MESSAGE.CHANNEL_SUCCESS)
  ask('pty-req', ...TERMINAL)
  await client.next(MESSAGE.CHANNEL_FAILURE)
  type('echo hid""den\n')
  t.equal(await data(), 'hidden\n')
  client.transport.disconnect(11, 'bye')
  await session.ended
  t.match(
    session.events.find(event => event.type === 'input'),
    { bytes: Buffer.from('echo hid""den\n') },
  )
})

t.test(
  'neither does the wish for a terminal that the target does not give, nor one that asks for no answer',
  async t => {
    for (const wantsReply of [true, false]) {
      const { client, session, ask, tell, type, data } = await begin({ config: ['PermitTTY no'] })
      const wish = wantsReply ? ask : tell
      wish('pty-req', ...TERMINAL)
      if (wantsReply) await client.next(MESSAGE.CHANNEL_FAILURE)
      ask('exec', string('sh'))
      t.equal(await client.nextOf(MESSAGE.CHANNEL_SUCCESS, MESSAGE.CHANNEL_FAILURE), MESSAGE.CHANNEL_SUCCESS)
      type('echo hid""den\n')
      t.equal(await data(), 'hidden\n')
      client.transport.disconnect(11, 'bye')
      await session.ended
      t.match(
        session.events.find(event => event.type === 'input'),
        { bytes: Buffer.from('echo hid""den\n') },
      )
    }
  },
)
