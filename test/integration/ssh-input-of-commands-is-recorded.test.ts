/** What is fed to a command by its standard input is part of what ran: it is in the recording, and what is cut is known as a whole. */

import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { RoleInput } from '../../src/policy/role.ts'
import type { RecordedEvent } from '../../src/recording/format/events.ts'
import { transcriptLines } from '../../src/recording/rendering/transcript.ts'
import { type SshGateway, startSshGateway } from '../support/ssh-gateway.ts'

const SCRIPT = 'echo hid""den\nexit 3\n'
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

const textOf = (events: RecordedEvent[], stream: 'input' | 'output') =>
  Buffer.concat(events.flatMap(event => (event.type === stream ? [event.bytes] : []))).toString()

const start = (t: Test, role: Partial<RoleInput> = {}) => startSshGateway(t, { role })

async function feed({ ssh, recorded }: SshGateway, command: string[], input: string | Buffer) {
  const client = ssh(...command)
  client.stdin.end(input)
  const result = await client.ended
  return { ...result, ...(await recorded()) }
}

t.test('a script that is fed to a shell is recorded', async t => {
  const gateway = await start(t)
  // The last is a shell without a command, and without a terminal.
  for (const command of [['bash -s'], ['sh'], ['cat | sh'], []]) {
    const { status, events } = await feed(gateway, command, SCRIPT)
    t.equal(status, 3, command.join(' '))
    t.equal(textOf(events, 'input'), SCRIPT, command.join(' '))
  }
})

t.test(
  'of more than the limit the beginning is kept, and the length and hash of all of it, in both directions',
  async t => {
    const gateway = await start(t)
    const limit = gateway.gateway.config.recording.execOutputLimitBytes
    const bytes = randomBytes(3_000_001)
    const { events } = await feed(gateway, ['cat'], bytes)
    const whole = { keptBytes: limit, bytes: bytes.length, sha256: sha256(bytes) }
    t.match(
      events.filter(event => event.type === 'channel-close'),
      [
        {
          cut: [
            { stream: 'output', ...whole },
            { stream: 'input', ...whole },
          ],
        },
      ],
    )
    t.same(events.flatMap(event => (event.type === 'truncated' ? [event.stream] : [])).sort(), ['input', 'output'])
    const kept = Buffer.concat(events.flatMap(event => (event.type === 'input' ? [event.bytes] : [])))
    t.ok(kept.equals(bytes.subarray(0, limit)))
    const lines = events.flatMap(event => transcriptLines(event, { startedAt: 0, width: 300 }))
    t.match(lines.join('\n'), `input: 1,048,576 of 3,000,001 bytes kept; sha256 of all of it ${sha256(bytes)}`)
  },
)

t.test('a role may have everything kept, and nothing of the input', async t => {
  const bytes = randomBytes(3_000_001)
  const all = await feed(await start(t, { execOutputLimit: 'none' }), ['cat'], bytes)
  for (const stream of ['input', 'output'] as const) {
    const kept = Buffer.concat(all.events.flatMap(event => (event.type === stream ? [event.bytes] : [])))
    t.ok(kept.equals(bytes), `${stream} is kept wholly`)
  }
  t.notOk(all.events.some(event => event.type === 'truncated'))
  const none = await feed(await start(t, { recordExecInput: false }), ['sh'], SCRIPT)
  t.equal(textOf(none.events, 'input'), '')
  t.equal(textOf(none.events, 'output'), 'hidden\n')
})

t.test('files on their way are no input, and a script that calls itself a transfer is', async t => {
  const gateway = await start(t)
  const { sshd, options, run, recorded, gateway: at, login } = gateway
  const { host, port } = at.ssh!
  const file = join(sshd.folder, 'file')
  writeFileSync(file, 'content\n'.repeat(1000))
  const shell = `ssh ${options.join(' ')} -p ${port}`
  for (const [program, ...args] of [
    ['scp', ...options, '-O', '-P', String(port), file, `${login}@${host}:${file}.scp`],
    ['scp', ...options, '-P', String(port), file, `${login}@${host}:${file}.sftp`],
    ['rsync', '-e', shell, file, `${login}@${host}:${file}.rsync`],
  ] as const) {
    t.match(await run(program, ...args).ended, { status: 0 })
    t.equal(textOf((await recorded()).events, 'input'), '', args.join(' '))
  }
  for (const command of [
    'scp -t /nowhere/at/all; sh',
    'scp -t `sh`',
    'rsync --server "$(sh)"',
    'git-upload-pack `sh`',
  ]) {
    const { events } = await feed(gateway, [command], SCRIPT)
    t.equal(textOf(events, 'input'), SCRIPT, command)
  }
  const renamed = join(sshd.folder, 'scp')
  writeFileSync(renamed, readFileSync('/bin/sh'), { mode: 0o755 })
  const { events: inDisguise } = await feed(gateway, [`${renamed} -t 2>/dev/null || ${renamed}`], SCRIPT)
  t.equal(textOf(inDisguise, 'input'), SCRIPT)
  for (const name of ['git-upload-pack', 'chpasswd']) {
    const shell = join(sshd.folder, name)
    writeFileSync(shell, readFileSync('/bin/sh'), { mode: 0o755 })
    t.equal(textOf((await feed(gateway, [`${shell} -s`], SCRIPT)).events, 'input'), SCRIPT, name)
  }
  const { events: withOption } = await feed(gateway, ['sh -s -- --password-stdin'], `:\n${SCRIPT}`)
  t.equal(textOf(withOption, 'input'), `[not recorded: a secret]\n${SCRIPT}`)
})

t.test('a password that is handed to sudo or to a prompt by standard input is not kept, and all else is', async t => {
  const gateway = await startSshGateway(t, {
    sshd: { passwordAccount: true },
    account: ({ passwordAccount }) => passwordAccount!,
  })
  // What sudo does with -S, without its rights.
  const sudo = `sudo() { printf '[sudo] password for you: ' >&2; read secret; shift; "$@"; }`
  const { stdout, events } = await feed(gateway, [`${sudo}; sudo -S sh`], `S3cr3t\n${SCRIPT}`)
  t.equal(stdout, 'hidden\n')
  t.equal(textOf(events, 'input'), `[not recorded: a secret]\n${SCRIPT}`)
  const client = gateway.ssh(`printf 'Password: '; read secret; sh`)
  await client.printed(/Password: /)
  client.stdin.end(`S3cr3t\n${SCRIPT}`)
  await client.ended
  t.equal(textOf((await gateway.recorded()).events, 'input'), `[not recorded: a secret]\n${SCRIPT}`)
})
