/**
 * What is fed to a command by its standard input is part of what ran: it is in the recording, and what is cut is known as a whole.
 * What may be a secret is hidden there, and never lost.
 */

import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { RoleInput } from '../../../src/policy/role.ts'
import type { RecordedEvent } from '../../../src/recording/format/events.ts'
import { reveal } from '../../../src/recording/format/protected-part.ts'
import { transcriptLines } from '../../../src/recording/rendering/transcript.ts'
import { asOwner, withToken } from '../../support/run-cli.ts'
import { type SshGateway, startSshGateway } from '../../support/ssh-gateway.ts'
import { makeToken } from '../../support/web-01.ts'

const SCRIPT = 'echo hid""den\nexit 3\n'
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

const textOf = (events: RecordedEvent[], stream: 'input' | 'output') =>
  Buffer.concat(events.flatMap(event => (event.type === stream ? [event.bytes] : []))).toString()

const hiddenBytes = (events: RecordedEvent[]) =>
  events.reduce((sum, event) => sum + (event.type === 'hidden-input' ? event.bytes : 0), 0)

const start = (t: Test, role: Partial<RoleInput> = {}) => startSshGateway(t, { role })

async function feed({ ssh, recorded }: SshGateway, command: string[], input: string | Buffer) {
  const client = ssh(...command)
  client.stdin.end(input)
  const result = await client.ended
  return { ...result, ...(await recorded()) }
}

/** The same events for who has the right to what is hidden. */
async function revealed({ gateway }: SshGateway, session: string): Promise<RecordedEvent[]> {
  const events: RecordedEvent[] = []
  const recording = await gateway.parts.recordings.read(session)
  for await (const event of reveal(session, recording, gateway.parts.vault.openBytes)) events.push(event)
  return events
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

    const hidden = await feed(gateway, ['cat >/dev/null'], bytes)
    t.equal(hiddenBytes(hidden.events), limit)
    const close = (events: RecordedEvent[]) => events.find(event => event.type === 'channel-close')
    const { sha256: hash, ...known } = whole
    t.match(close(hidden.events), { cut: [{ stream: 'hidden-input', ...known, sha256: undefined }] })
    t.notMatch(JSON.stringify(hidden.events), hash, 'a hash could be used to guess what is hidden')
    const seen = await revealed(gateway, hidden.session)
    t.match(close(seen), { cut: [{ stream: 'hidden-input', ...whole }] })
    const found = Buffer.concat(seen.flatMap(event => (event.type === 'input' ? [event.bytes] : [])))
    t.ok(found.equals(bytes.subarray(0, limit)))
  },
)

t.test('a role may have everything kept, and nothing of the input', async t => {
  const bytes = randomBytes(3_000_001)
  const whole = await start(t, { execOutputLimit: 'none' })
  const all = await feed(whole, ['cat'], bytes)
  for (const stream of ['input', 'output'] as const) {
    const kept = Buffer.concat(all.events.flatMap(event => (event.type === stream ? [event.bytes] : [])))
    t.ok(kept.equals(bytes), `${stream} is kept wholly`)
  }
  t.notOk(all.events.some(event => event.type === 'truncated'))
  t.equal(hiddenBytes((await feed(whole, ['cat >/dev/null'], bytes)).events), bytes.length)
  const none = await feed(await start(t, { recordExecInput: false }), ['sh'], SCRIPT)
  t.equal(textOf(none.events, 'input') + hiddenBytes(none.events), '0')
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
    const { session, events } = await feed(gateway, [command], SCRIPT)
    t.equal(textOf(events, 'input'), '', command)
    t.equal(textOf(await revealed(gateway, session), 'input'), SCRIPT, command)
  }
  for (const name of ['scp', 'git-upload-pack', 'chpasswd']) {
    const shell = join(sshd.folder, name)
    writeFileSync(shell, readFileSync('/bin/sh'), { mode: 0o755 })
    const { session } = await feed(gateway, [`${shell} -t 2>/dev/null || ${shell} -s`], SCRIPT)
    t.equal(textOf(await revealed(gateway, session), 'input'), SCRIPT, name)
  }
  const { events: withOption } = await feed(gateway, ['sh -s -- --password-stdin'], SCRIPT)
  t.equal(textOf(withOption, 'input'), SCRIPT)
})

t.test(
  'what programs read that may read secrets is hidden in every view, in whatever spelling they are called',
  async t => {
    const gateway = await start(t)
    const line = 'nobody-here:S3cr3t\n'
    let last = ''
    for (const command of [
      'chpasswd',
      'LANG=C chpasswd',
      'chpasswd 2>&1',
      'cd / && chpasswd',
      'exec chpasswd',
      'read -r secret',
      'cat >/dev/null',
      'openssl enc -aes-256-cbc -pbkdf2 -pass stdin -in /dev/null',
    ]) {
      const { session, events } = await feed(gateway, [command], line)
      t.equal(textOf(events, 'input'), '', command)
      t.equal(hiddenBytes(events), line.length, command)
      t.equal(textOf(await revealed(gateway, session), 'input'), line, command)
      last = session
    }
    const auditor = await makeToken(gateway.gateway, 'alice', 'auditor')
    for (const [format, marker] of [
      ['text', '19 bytes of input hidden: --reveal shows it'],
      ['cast', '19 bytes of input hidden'],
      ['jsonl', '"type":"hidden-input","channel":0,"bytes":19,"protected":"'],
    ] as const) {
      const words = ['session', 'export', last, '--format', format]
      const view = await withToken(gateway.gateway, auditor, words)
      t.match(view.stdout, marker)
      t.notMatch(view.stdout, /S3cr3t/)
      t.match(await withToken(gateway.gateway, auditor, [...words, '--reveal']), { exit: 4, stdout: '' })
      t.match((await asOwner(gateway.gateway, [...words, '--reveal'])).stdout, /nobody-here:S3cr3t/)
      const [newest] = (await gateway.gateway.parts.audit.list({ session: last })).slice(-1)
      t.match(newest, { kind: 'recording.revealed', actor: 'owner' })
    }
    t.match((await withToken(gateway.gateway, auditor, ['session', 'replay', last])).stdout, '19 bytes of input hidden')
    t.match((await asOwner(gateway.gateway, ['session', 'replay', last, '--reveal'])).stdout, '<* nobody-here:S3cr3t')
  },
)

t.test('a line that a prompt or sudo -S hides is not lost, whoever made them hide it', async t => {
  const gateway = await start(t)
  for (const [name, asks, stdout] of [
    ['asks', `printf '[sudo] password for you: ' >&2; read -r secret`, 'hidden\n'],
    ['needless', ':', 'S3cr3t\nhidden\n'],
  ] as const) {
    const folder = join(gateway.sshd.folder, name)
    mkdirSync(folder)
    // What sudo does with -S, without its rights.
    writeFileSync(join(folder, 'sudo'), `#!/bin/sh\n${asks}; shift; exec "$@"\n`, { mode: 0o755 })
    const told = await feed(gateway, [`PATH=${folder}:$PATH sudo -S sh`], `echo S3cr3t\n${SCRIPT}`)
    t.equal(told.stdout, stdout)
    t.equal(textOf(told.events, 'input'), SCRIPT)
    t.equal(textOf(await revealed(gateway, told.session), 'input'), `echo S3cr3t\n${SCRIPT}`)
  }
  const asks = `printf 'Password: '; read -r secret\n`
  const client = gateway.ssh('sh')
  client.stdin.write(asks)
  await client.printed(/Password: /)
  client.stdin.end(`S3cr3t\n${SCRIPT}`)
  await client.ended
  const { session, events } = await gateway.recorded()
  t.equal(textOf(events, 'input'), asks + SCRIPT)
  t.equal(textOf(await revealed(gateway, session), 'input'), `${asks}S3cr3t\n${SCRIPT}`)
})
