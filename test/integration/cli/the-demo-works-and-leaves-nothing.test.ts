/** `npm run demo -- --json` as the README and other people's scripts rely on it. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, watch } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import type { DemoFacts } from '../../../src/demo/start-demo.ts'
import { codeOfStep, stepAt } from '../../../src/identity/factors/totp.ts'
import { removeFolder, run } from '../../support/child.ts'
import { psql } from '../../support/psql.ts'
import { clientOptions, startClient, startSsh } from '../../support/ssh-client.ts'

function startDemo(env: NodeJS.ProcessEnv = {}): ChildProcess {
  return spawn(process.execPath, ['src/demo/main.ts', '--json'], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

async function factsOf(demo: ChildProcess): Promise<DemoFacts> {
  const [line] = await once(createInterface({ input: demo.stdout! }), 'line')
  return JSON.parse(line)
}

/** A code of the step before, this one or the next: each is accepted once. */
function codeAt(secret: string, offset: -1 | 0 | 1): string {
  return codeOfStep(secret, stepAt(Date.now()) + offset)
}

t.test('the demo', async t => {
  const demo = startDemo()
  const exited = once(demo, 'exit')
  t.teardown(() => demo.kill('SIGKILL'))
  const facts = await factsOf(demo)
  const { ssh, postgres, api, dataDir, recordings } = facts

  await t.test('an account is checked out by ssh', async t => {
    const { identityFile, totpSecret } = ssh
    const code = () => codeAt(totpSecret, -1)
    const result = await startSsh(ssh, 'alice', { identityFile, code }, 'checkout dba@orders --for 1h').ended
    t.match(
      result,
      { status: 0, stdout: /^dba@orders is yours until .* UTC: by a client of postgres, as alice\+dba\+orders\n$/ },
      result.stderr,
    )
  })

  await t.test('ssh by key and code reaches the host, which is another one than the gateway', async t => {
    const { identityFile, totpSecret, login } = ssh
    const code = () => codeAt(totpSecret, 0)
    const result = await startSsh(ssh, login, { identityFile, code }, 'echo "$USER"; exit 3').ended
    t.match(result, { status: 3, stdout: 'root\n' }, result.stderr)
    t.equal(readFileSync(ssh.knownHostsFile, 'utf8'), `[127.0.0.1]:${ssh.port} ${ssh.hostKey}\n`)
  })

  await t.test('psql by password and code reaches the database, with a verified certificate', async t => {
    const { port, login, database, caFile, password, totpSecret } = postgres
    const connection = `host=localhost port=${port} user=${login} dbname=${database} sslmode=verify-full sslrootcert=${caFile}`
    const result = await psql(connection, password + codeAt(totpSecret, 1), [
      'select current_user, count(*) from orders',
    ])
    t.match(result, { code: 0, stdout: 'dba|100' }, result.stderr)
  })

  await t.test('the auditor sees both sessions, with their recordings, and may change nothing', async t => {
    const audrey = ['--url', api.url, '--ca', api.caFile]
    const sallyport = async (...args: string[]) => {
      const env = { ...process.env, SALLYPORT_TOKEN: api.token }
      const child = spawn('bin/sallyport', [...audrey, ...args], { env, stdio: ['ignore', 'pipe', 'ignore'] })
      let output = ''
      child.stdout.setEncoding('utf8').on('data', text => {
        output += text
      })
      const [code] = await once(child, 'close')
      return { code, output }
    }
    const listed = JSON.parse((await sallyport('session', 'list', '--json')).output)
    t.same(
      listed.sessions.map((session: { protocol: string }) => session.protocol),
      ['postgres', 'ssh'],
    )
    t.match(await sallyport('session', 'replay', 'last'), {
      code: 0,
      output: /select current_user, count\(\*\) from orders/,
    })
    t.match(await sallyport('session', 'verify', listed.sessions[1].id), { code: 0 })
    t.match(await sallyport('token', 'create', 'more', '--user', 'audrey'), { code: 4, output: '' })
    t.ok(existsSync(recordings))
  })

  await t.test('and gets another password when it is returned', async t => {
    const asOwner = async (...args: string[]) => (await run('bin/sallyport', ['--socket', api.socket, ...args])).stdout
    t.match(await asOwner('checkin', '--force', 'dba@orders'), /Returned dba@orders of alice/)
    const versions = async () => JSON.parse(await asOwner('credential', 'history', 'dba@orders', '--json')).credentials
    while ((await versions())[0].current !== true || (await versions()).length < 2) await setTimeout(100)
    t.match((await versions())[0], { version: 2 })
  })

  await t.test(
    'what somebody must approve is waited for, approved with the one code of a login, and reached',
    async t => {
      const { approver } = facts
      // What alice had of codes that count now is used up.
      const totp = await run('bin/sallyport', ['--socket', api.socket, 'user', 'totp', 'alice', '--json'])
      const totpSecret = new URL(JSON.parse(totp.stdout).url).searchParams.get('secret')!
      const { identityFile } = ssh
      const asLee = (offset: -1 | 0 | 1, command: string) => {
        const answers = { identityFile: approver.identityFile, code: () => codeAt(approver.totpSecret, offset) }
        return startSsh(ssh, approver.login, answers, command).ended
      }
      const answers = { identityFile, code: () => codeAt(totpSecret, 0) }
      const reason = ['-o', 'SetEnv=SALLYPORT_REASON=restore']
      const options = [...clientOptions(answers), ...reason, '-p', String(ssh.port), '-l', ssh.onRequest]
      const alice = startClient('ssh', [...options, ssh.host, 'echo "$USER"'], answers)
      await alice.printed(/Asked for backup@web-01 \(req_/)
      const waiting = await asLee(-1, 'requests')
      const [id] = /req_[0-9a-z]{26}/.exec(waiting.stdout)!
      t.match(await asLee(0, `approve ${id}`), { status: 0, stdout: /backup@web-01 for 1h is active until/ })
      t.match(await alice.ended, { status: 0, stdout: 'backup\n' })
    },
  )

  await t.test('SIGTERM ends it and removes what it made', async t => {
    demo.kill('SIGTERM')
    t.same(await exited, [0, null])
    t.notOk(existsSync(dirname(dataDir)))
  })
})

t.test('on its screen stand lines that can be pasted in any folder', async t => {
  const demo = spawn(process.execPath, ['src/demo/main.ts'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(demo, 'exit')
  t.teardown(() => demo.kill('SIGKILL'))
  const lines: string[] = []
  for await (const line of createInterface({ input: demo.stdout })) {
    lines.push(line)
    if (/^ {4}code of alice /.test(line)) break
  }
  const [ssh, psqlLine, third, fourth, fifth, sixth] = lines
    .filter(line => /^ {4}(?:ssh |psql |\S+sallyport )/.test(line))
    .map(line => line.trim())
  t.match(ssh, /^ssh -p \d+ -i \//)
  t.match(psqlLine, /^psql "host=localhost .* sslrootcert=\//)
  t.match(third, /session replay last$/)
  t.match(fourth, /^ssh -p \d+ -i \/.* alice@127.0.0.1 checkout dba@orders --for 1h$/)
  t.match(fifth, /^ssh -p \d+ -i \/.* alice\+backup\+web-01@127.0.0.1$/)
  t.match(sixth, /^ssh -p \d+ -i \/.* lee@127.0.0.1 requests$/)
  // No session yet: it reached the gateway and says so.
  const replay = await run('sh', ['-c', third!], { cwd: '/' }).catch(error => error)
  t.match(replay, { code: 1, stderr: /no session/i })
  demo.kill('SIGINT')
  t.same(await exited, [0, null])
})

t.test('a demo that is stopped while it starts leaves nothing either', async t => {
  // Short: the path of a socket may have 107 bytes.
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-test-'))
  // PostgreSQL does not run as root, and must reach its folder inside.
  chmodSync(folder, 0o755)
  t.teardown(() => removeFolder(folder))
  const demo = startDemo({ TMPDIR: folder })
  const exited = once(demo, 'exit')
  const watcher = watch(folder)
  await once(watcher, 'change')
  watcher.close()
  demo.kill('SIGINT')
  t.same(await exited, [0, null])
  t.same(readdirSync(folder), [])
})
