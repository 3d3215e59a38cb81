/** A target that breaks the protocol ends its own session, and is named as the one to blame; what it sent never reaches the client. */

import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { MESSAGE } from '../../../src/protocols/ssh/transport/messages.ts'
import { boolean, string, uint32, WireReader } from '../../../src/shared/ssh-encoding/wire.ts'
import { alice, LOGIN, logIn } from '../../support/alice-by-raw-ssh.ts'
import { removeFolder } from '../../support/child.ts'
import { blobOf, openSession } from '../../support/raw-ssh-client.ts'
import { startSsh } from '../../support/ssh-client.ts'
import { CHOSEN_PORT, type HostileEnd, startHostileTarget } from '../../support/start-hostile-target.ts'
import { keyMaterial, type RunningSession, startSshListener } from '../../support/start-ssh-listener.ts'
import { makeKey } from '../../support/start-sshd.ts'

const target = await startHostileTarget()
t.teardown(() => target.close())
const folder = mkdtempSync(join(tmpdir(), 'sallyport-hostile-'))
t.teardown(() => removeFolder(folder))
const material = keyMaterial(
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'sec1', format: 'pem' }).toString(),
)

async function start(publicKey: string) {
  const gateway = await startSshListener({ target, account: 'root', material, publicKey })
  t.teardown(() => gateway.close())
  return gateway
}

const byRawClient = await start(`ssh-ed25519 ${blobOf(alice).toString('base64')}`)
const identityFile = makeKey(folder, 'alice', 'ed25519')
const byOpenSsh = await start(readFileSync(`${identityFile}.pub`, 'utf8').trim())

/** What OpenSSH says when it gives up on a message, in lines that are not the gateway's. */
const FAULTS =
  /^(?!Sallyport|Received disconnect).*(bad packet|fatal|invalid|incomplete|unexpected|trailing|overflow|error)/im
const MORE = Buffer.from('and more')
const NUL = string('a\0b')
const channelRequest = (end: HostileEnd, channel: number, name: string, ...fields: Uint8Array[]) =>
  end.send(MESSAGE.CHANNEL_REQUEST, uint32(channel), string(name), boolean(false), ...fields)
/** A second channel, whose opening the target has not answered yet, is number 1. */
const MALFORMED: Record<string, (end: HostileEnd, channel: number) => void> = {
  'a window adjustment cut short': (end, channel) => end.send(MESSAGE.CHANNEL_WINDOW_ADJUST, uint32(channel)),
  'a window adjustment with more behind': (end, channel) =>
    end.send(MESSAGE.CHANNEL_WINDOW_ADJUST, uint32(channel), uint32(1), MORE),
  'a window beyond what there can be': (end, channel) =>
    end.send(MESSAGE.CHANNEL_WINDOW_ADJUST, uint32(channel), uint32(0xffffffff)),
  'a window for a channel that there is not': end => end.send(MESSAGE.CHANNEL_WINDOW_ADJUST, uint32(77), uint32(1)),
  'data with a length that is not its own': (end, channel) =>
    end.send(MESSAGE.CHANNEL_DATA, uint32(channel), uint32(100), MORE),
  'data for a channel that there is not': end => end.send(MESSAGE.CHANNEL_DATA, uint32(77), string('x')),
  'stderr with more behind': (end, channel) =>
    end.send(MESSAGE.CHANNEL_EXTENDED_DATA, uint32(channel), uint32(1), string('x'), MORE),
  'extended data of an unknown type': (end, channel) =>
    end.send(MESSAGE.CHANNEL_EXTENDED_DATA, uint32(channel), uint32(7), string('x')),
  'an end of data with more behind': (end, channel) => end.send(MESSAGE.CHANNEL_EOF, uint32(channel), MORE),
  'an end of data without a channel': end => end.send(MESSAGE.CHANNEL_EOF),
  'a close with more behind': (end, channel) => end.send(MESSAGE.CHANNEL_CLOSE, uint32(channel), MORE),
  'a close of a channel that there is not': end => end.send(MESSAGE.CHANNEL_CLOSE, uint32(77)),
  'a success that nobody asked for': (end, channel) => end.send(MESSAGE.CHANNEL_SUCCESS, uint32(channel)),
  'a failure that nobody asked for': (end, channel) => end.send(MESSAGE.CHANNEL_FAILURE, uint32(channel)),
  'a global success that nobody asked for': end => end.send(MESSAGE.REQUEST_SUCCESS),
  'a global failure that nobody asked for': end => end.send(MESSAGE.REQUEST_FAILURE),
  'a confirmation of what nobody opened': end =>
    end.send(MESSAGE.CHANNEL_OPEN_CONFIRMATION, uint32(77), uint32(77), uint32(1), uint32(32_768)),
  'a confirmation of what is open': (end, channel) =>
    end.send(MESSAGE.CHANNEL_OPEN_CONFIRMATION, uint32(channel), uint32(77), uint32(1), uint32(32_768)),
  'a refusal of what nobody opened': end =>
    end.send(MESSAGE.CHANNEL_OPEN_FAILURE, uint32(77), uint32(1), string('no'), string('')),
  'an exit status cut short': (end, channel) => channelRequest(end, channel, 'exit-status', Buffer.from([0])),
  'an exit status with more behind': (end, channel) => channelRequest(end, channel, 'exit-status', uint32(0), MORE),
  'an exit signal with a NUL': (end, channel) =>
    channelRequest(end, channel, 'exit-signal', NUL, boolean(false), string(''), string('')),
  'an exit signal without its words': (end, channel) => channelRequest(end, channel, 'exit-signal', string('KILL')),
  'a keepalive with a load': (end, channel) => channelRequest(end, channel, 'keepalive@openssh.com', MORE),
  'a global keepalive with a load': end =>
    end.send(MESSAGE.GLOBAL_REQUEST, string('keepalive@openssh.com'), boolean(false), MORE),
  'a global request cut short': end => end.send(MESSAGE.GLOBAL_REQUEST, string('keepalive@openssh.com')),
  'a channel request without a name': (end, channel) => end.send(MESSAGE.CHANNEL_REQUEST, uint32(channel)),
  'a channel open cut short': end => end.send(MESSAGE.CHANNEL_OPEN, string('forwarded-tcpip')),
}
const LATER: Record<string, (end: HostileEnd, channel: number) => void> = {
  'the end of data twice': (end, channel) => {
    end.send(MESSAGE.CHANNEL_EOF, uint32(channel))
    end.send(MESSAGE.CHANNEL_EOF, uint32(channel))
  },
  'data after the end of data': (end, channel) => {
    end.send(MESSAGE.CHANNEL_EOF, uint32(channel))
    end.send(MESSAGE.CHANNEL_DATA, uint32(channel), string('x'))
  },
  'a close twice': (end, channel) => {
    end.send(MESSAGE.CHANNEL_CLOSE, uint32(channel))
    end.send(MESSAGE.CHANNEL_CLOSE, uint32(channel))
  },
  'data after the close': (end, channel) => {
    end.send(MESSAGE.CHANNEL_CLOSE, uint32(channel))
    end.send(MESSAGE.CHANNEL_DATA, uint32(channel), string('x'))
  },
}

function blamed(t: Test, session: RunningSession, what: string): void {
  t.equal(session.reason, 'protocol-violation', what)
  t.match(session.refused, [{ what: 'protocol', why: /^the target broke the protocol: / }], what)
}

/** A session in which the target does `misbehave` when the command begins; gives what the client got from then on. */
async function play(misbehave: (end: HostileEnd, channel: number) => void) {
  target.onProgram = misbehave
  const client = await logIn(byRawClient)
  const session = byRawClient.sessions.at(-1)!
  const channel = await openSession(client)
  const got: Buffer[] = []
  const { ended } = client.transport.listener
  client.transport.listener = {
    message: (_type, payload) => got.push(Buffer.from(payload)),
    ended: error => ended(error),
  }
  client.send(MESSAGE.CHANNEL_REQUEST, uint32(channel), string('exec'), boolean(false), string('true'))
  await Promise.all([client.ended, session.ended])
  return { session, got }
}

t.test('none of what is malformed reaches the client, who is told whose fault it is', async t => {
  for (const [what, misbehave] of Object.entries(MALFORMED)) {
    const { session, got } = await play(misbehave)
    blamed(t, session, what)
    t.same(new Set(got.map(payload => payload[0])), new Set([MESSAGE.CHANNEL_EXTENDED_DATA]), what)
    const words = new WireReader(got[0]!, 9).utf8()
    t.match(words, /^Sallyport: the target broke the protocol: .+\r\n$/, what)
  }
})

t.test('what may be said once is passed once', async t => {
  for (const [what, misbehave] of Object.entries(LATER)) {
    const { session, got } = await play(misbehave)
    blamed(t, session, what)
    t.equal(got.filter(payload => payload[0] !== MESSAGE.CHANNEL_EXTENDED_DATA).length, 1, what)
  }
})

t.test('a target opens channels for the forwards that it agreed to, and for no others', async t => {
  const from = [string('192.0.2.1'), uint32(1)]
  const opens: [string, ...Uint8Array[]][] = [
    ['forwarded-tcpip', string('localhost'), uint32(22), ...from],
    ['forwarded-tcpip', string('localhost'), uint32(0), ...from],
    ['forwarded-streamlocal@openssh.com', string('/run/other.sock'), string('')],
    ['forwarded-streamlocal@openssh.com', string('4711'), string('')],
    ['auth-agent@openssh.com'],
    ['x11', ...from],
    ['session'],
    ['forwarded-tcpip', string('localhost'), CHOSEN_PORT, ...from],
    ['forwarded-tcpip', string('localhost'), uint32(8080), ...from],
    ['forwarded-streamlocal@openssh.com', string('/run/asked.sock'), string('')],
  ]
  target.onProgram = end => {
    for (const [at, [kind, ...fields]] of opens.entries())
      end.send(MESSAGE.CHANNEL_OPEN, string(kind), uint32(100 + at), uint32(1000), uint32(32_768), ...fields)
  }
  const client = await logIn(byRawClient)
  for (const [name, ...fields] of [
    ['tcpip-forward', string('localhost'), uint32(0)],
    ['tcpip-forward', string('localhost'), uint32(8080)],
    ['streamlocal-forward@openssh.com', string('/run/asked.sock')],
  ] as [string, ...Uint8Array[]][]) {
    client.send(MESSAGE.GLOBAL_REQUEST, string(name), boolean(true), ...fields)
    await client.next(MESSAGE.REQUEST_SUCCESS)
  }
  const channel = await openSession(client)
  client.send(MESSAGE.CHANNEL_REQUEST, uint32(channel), string('exec'), boolean(false), string('true'))
  const opened: number[] = []
  for (let i = 0; i < 3; i++) {
    const reader = new WireReader(await client.next(MESSAGE.CHANNEL_OPEN), 1)
    reader.utf8()
    opened.push(reader.uint32() - 100)
  }
  t.same(opened, [7, 8, 9])
  const { refused } = byRawClient.sessions.at(-1)!
  t.same(
    refused.map(({ what }) => what),
    opens.slice(0, 7).map(([kind]) => kind),
  )
  client.transport.disconnect(11, 'bye')
})

t.test("OpenSSH's client never finds a fault of its own in what passes", async t => {
  const numbers = fc.oneof(fc.constantFrom(0, 1, 0x7fffffff, 0xffffffff), fc.nat(300))
  const texts = fc.oneof(
    fc.constantFrom('exit-status', 'exit-signal', 'eow@openssh.com', 'keepalive@openssh.com', 'session', 'x11', ''),
    fc.string({ unit: 'binary', maxLength: 12 }),
  )
  const field = fc.oneof(
    numbers.map(uint32),
    texts.map(text => string(text)),
    fc.boolean().map(boolean),
    fc.uint8Array({ maxLength: 6 }),
  )
  const garbage = fc.record({ type: fc.integer({ min: 80, max: 100 }), fields: fc.array(field, { maxLength: 6 }) })
  const onChannel = fc.record({ type: fc.integer({ min: 91, max: 100 }), fields: fc.array(field, { maxLength: 4 }) })
  const passes = fc.asyncProperty(
    fc.array(
      fc.oneof(
        garbage.map(one => ({ ...one, first: [] as Buffer[] })),
        onChannel.map(one => ({ ...one, first: [uint32(0)] })),
      ),
      { minLength: 1, maxLength: 8 },
    ),
    async messages => {
      target.onProgram = (end, channel) => {
        for (const { type, first, fields } of messages) end.send(type, ...first, ...fields)
        end.send(MESSAGE.CHANNEL_CLOSE, uint32(channel))
      }
      const { stderr } = await startSsh(byOpenSsh, LOGIN, { identityFile }, 'true').ended
      return !FAULTS.test(stderr)
    },
  )
  await t.resolves(fc.assert(passes, { numRuns: 40 }))
})
