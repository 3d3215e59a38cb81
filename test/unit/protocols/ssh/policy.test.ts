import fc from 'fast-check'
import t from 'tap'
import { type Channel, channelNames } from '../../../../src/protocols/registered.ts'
import { objectToGlobalRequest, objectToOpen, objectToRequest } from '../../../../src/protocols/ssh/relay/policy.ts'

const only =
  (...channels: Channel[]) =>
  (channel: Channel) =>
    channels.includes(channel)
const nothing = only()
const everything = only(...channelNames())
const asked = { remoteForward: false, agent: false, x11: false }

t.test('each channel of a role opens what it names and nothing else', async t => {
  const doors: [Channel, (allows: typeof nothing) => unknown][] = [
    ['shell', allows => objectToRequest('client', 'shell', '', allows)],
    ['exec', allows => objectToRequest('client', 'exec', '', allows)],
    ['sftp', allows => objectToRequest('client', 'subsystem', 'sftp', allows)],
    ['exec', allows => objectToRequest('client', 'subsystem', 'netconf', allows)],
    ['agent', allows => objectToRequest('client', 'auth-agent-req@openssh.com', '', allows)],
    ['x11', allows => objectToRequest('client', 'x11-req', '', allows)],
    ['local-forward', allows => objectToOpen('client', 'direct-tcpip', allows, asked)],
    ['local-forward', allows => objectToOpen('client', 'direct-streamlocal@openssh.com', allows, asked)],
    ['remote-forward', allows => objectToGlobalRequest('client', 'tcpip-forward', allows)],
    ['remote-forward', allows => objectToGlobalRequest('client', 'streamlocal-forward@openssh.com', allows)],
  ]
  for (const [channel, door] of doors) {
    t.equal(door(only(channel)), undefined, `${channel} opens its door`)
    const others = channelNames().filter(other => other !== channel)
    t.match(door(only(...others)), { what: channel, report: true }, `the others do not open that of ${channel}`)
  }
})

t.test('what the gateway does not know is refused, whatever the role', async t => {
  t.ok(objectToOpen('client', 'tun@openssh.com', everything, asked))
  t.ok(objectToOpen('client', 'forwarded-tcpip', everything, asked))
  t.ok(objectToRequest('client', 'anything@example.com', '', everything))
  t.ok(objectToRequest('target', 'shell', '', everything))
  t.ok(objectToGlobalRequest('client', 'anything@example.com', everything))
})

t.test("the target's offer of its own host keys is dropped: clients would pin them for the gateway", async t => {
  t.match(objectToGlobalRequest('target', 'hostkeys-00@openssh.com', everything), { report: false })
})

t.test('a target opens only what the person asked it for', async t => {
  for (const [kind, wish] of [
    ['forwarded-tcpip', 'remoteForward'],
    ['auth-agent@openssh.com', 'agent'],
    ['x11', 'x11'],
  ] as const) {
    t.match(objectToOpen('target', kind, everything, asked), { report: true })
    t.equal(objectToOpen('target', kind, everything, { ...asked, [wish]: true }), undefined)
  }
  t.ok(objectToOpen('target', 'session', everything, { remoteForward: true, agent: true, x11: true }))
})

t.test('the environment is for language and terminal, not for what the loader runs', async t => {
  for (const name of ['LANG', 'LC_ALL', 'LC_P10K', 'LC_d', 'LC_', 'TERM', 'GIT_PROTOCOL']) {
    t.equal(objectToRequest('client', 'env', name, nothing), undefined)
  }
  for (const name of ['LD_PRELOAD', 'BASH_ENV', 'LC', 'LC_\n', 'PATH', 'lang']) {
    t.match(objectToRequest('client', 'env', name, everything), { report: false })
  }
})

t.test('a subsystem that could be read as sftp takes the right to sftp, whatever else it takes', async () => {
  const name = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.mixedCase(fc.constant('sftp')),
    fc
      .tuple(fc.constantFrom('', ' ', '\0', '\t'), fc.constantFrom('', ' ', '\0', '\0x', '\n'))
      .map(([a, b]) => `${a}sftp${b}`),
  )
  const readsAsSftp = (text: string) => text.split('\0', 1)[0]!.trim().toLowerCase() === 'sftp'
  fc.assert(
    fc.property(name, text => {
      const byExecAlone = objectToRequest('client', 'subsystem', text, only('exec')) === undefined
      const bySftpAlone = objectToRequest('client', 'subsystem', text, only('sftp')) === undefined
      return !(byExecAlone && readsAsSftp(text)) && bySftpAlone === (text === 'sftp')
    }),
    { examples: [['sftp\0'], ['SFTP'], ['sftp ']] },
  )
})
