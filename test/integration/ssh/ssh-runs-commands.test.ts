/** alice runs commands on the target with her own ssh: output, errors, exit codes, large data, many at once, new keys meanwhile. */

import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ClientChannel } from 'ssh2'
import t from 'tap'
import { ssh2 } from '../../../src/protocols/ssh/transport/ssh2-internals.ts'
import { startSshGateway } from '../../support/ssh-gateway.ts'

const parts = await startSshGateway(t)
const { ssh, recorded, run, options, login, gateway, sshd, identityFile } = parts
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

t.test('output, errors and the exit code arrive, and all of it is recorded', async t => {
  const { status, stdout, stderr } = await ssh('echo out; echo err >&2; exit 7').ended
  t.equal(status, 7)
  t.equal(stdout, 'out\n')
  t.match(stderr, /^err$/m)
  const { events, reason } = await recorded()
  t.equal(reason, 'client-closed')
  const told = events.map(event =>
    'bytes' in event && Buffer.isBuffer(event.bytes) ? { ...event, text: event.bytes.toString() } : event,
  )
  // In which order sshd sends the two streams and the exit status is its own affair.
  t.match(told.slice(0, 2), [
    { type: 'channel-open', channel: 0, kind: 'session' },
    { type: 'exec', command: 'echo out; echo err >&2; exit 7' },
  ])
  const between = told.slice(2, -1).sort((a, b) => (a.type < b.type ? -1 : 1))
  t.match(between, [
    { type: 'exit', status: 7 },
    { type: 'output', text: 'out\n' },
    { type: 'stderr', text: 'err\n' },
  ])
  t.match(told.at(-1), { type: 'channel-close', bytesIn: 0, bytesOut: 8 })
})

t.test('a command that dies of a signal says so', async t => {
  const { status } = await ssh('kill -TERM $$').ended
  t.equal(status, 255)
  const { events } = await recorded()
  t.match(
    events.filter(event => event.type === 'exit'),
    [{ signal: 'TERM' }],
  )
})

t.test('large data goes both ways unharmed, also while new keys are agreed on every 256 KB by either side', async t => {
  const file = join(sshd.folder, 'data')
  const bytes = randomBytes(6_000_000)
  writeFileSync(file, bytes)
  const { host, port } = gateway.ssh!
  const common = [...options, '-p', String(port), '-l', login, host].map(word => `'${word}'`).join(' ')
  for (const rekeying of ['', '-o RekeyLimit=256K ']) {
    const result = await run('sh', '-c', `ssh ${rekeying}${common} cat < ${file} > ${file}.back`).ended
    t.equal(result.status, 0, result.stderr)
    t.equal(sha256(readFileSync(`${file}.back`)), sha256(bytes))
  }
  const { events } = await recorded()
  const keptBytes = gateway.config.recording.execOutputLimitBytes
  t.same(events.flatMap(event => (event.type === 'truncated' ? [`${event.stream} ${event.keptBytes}`] : [])).sort(), [
    `input ${keptBytes}`,
    `output ${keptBytes}`,
  ])
  t.match(
    events.filter(event => event.type === 'channel-close'),
    [{ bytesIn: 6_000_000, bytesOut: 6_000_000 }],
    'what is not kept is counted',
  )
})

t.test('a command may be as long as OpenSSH lets it be', async t => {
  const command = `echo ${'x'.repeat(120_000)} | wc -c`
  const { status, stdout, stderr } = await ssh(command).ended
  t.equal(status, 0, stderr)
  t.equal(stdout.trim(), '120001')
  const { events } = await recorded()
  t.ok(events.some(event => event.type === 'exec' && event.command === command))
})

t.test('a command ends when nobody reads its output any more', async t => {
  const { host, port } = gateway.ssh!
  const common = [...options, '-p', String(port), '-l', login, host].map(word => `'${word}'`).join(' ')
  const { status, stdout } = await run('sh', '-c', `ssh ${common} yes | head -n 1`).ended
  t.same([status, stdout], [0, 'y\n'])
  const { events } = await recorded()
  t.match(
    events.filter(event => event.type === 'exit'),
    [{ signal: 'PIPE' }],
  )
})

t.test('a client that is not OpenSSH is not told what only OpenSSH knows', async t => {
  const { host, port } = gateway.ssh!
  const heard: string[] = []
  const client = new ssh2.Client()
  t.teardown(() => client.end())
  const privateKey = readFileSync(identityFile)
  client.connect({ host, port, username: login, privateKey, debug: line => heard.push(line) })
  await once(client, 'ready')
  const channel = await new Promise<ClientChannel>((resolve, reject) =>
    client.exec('echo out; exit 5', (error, channel) => (error === undefined ? resolve(channel) : reject(error))),
  )
  const [[status]] = await Promise.all([once(channel, 'exit'), once(channel.resume(), 'close')])
  t.equal(status, 5)
  t.match(heard.join('\n'), /Inbound: CHANNEL_REQUEST .*exit-status/)
  t.notMatch(heard.join('\n'), /eow@openssh\.com/)
})

t.test('ten at once', async t => {
  const all = await Promise.all(Array.from({ length: 10 }, (_, i) => ssh(`echo ${i}; sleep 0.1`).ended))
  t.same(
    all.map(({ stdout, status }) => [stdout, status]),
    Array.from({ length: 10 }, (_, i) => [`${i}\n`, 0]),
  )
})

t.test('several channels share one connection (ControlMaster), each recorded on its own', async t => {
  const { host, port } = gateway.ssh!
  const control = ['-o', `ControlPath=${join(sshd.folder, 'control')}`]
  const master = await run(
    'ssh',
    ...options,
    ...control,
    '-o',
    'ControlMaster=yes',
    '-fN',
    '-p',
    String(port),
    '-l',
    login,
    host,
  ).ended
  t.equal(master.status, 0, master.stderr)
  const all = await Promise.all(
    [1, 2, 3]
      .map(i => run('ssh', ...control, host, `cat; echo ${i} >&2; exit ${i}`))
      .map((child, i) => {
        child.stdin.end(`word ${i + 1}\n`)
        return child.ended
      }),
  )
  t.same(
    all.map(({ stdout, status }) => [stdout, status]),
    [
      ['word 1\n', 1],
      ['word 2\n', 2],
      ['word 3\n', 3],
    ],
  )
  await run('ssh', ...control, '-O', 'exit', host).ended
  const { events } = await recorded()
  t.same(new Set(events.filter(event => event.type === 'exit').map(event => `${event.channel}`)).size, 3)
})
