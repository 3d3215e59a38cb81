/** `sallyport init` and `start` as an operator runs them: from an empty folder to a clean stop. */

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { removeFolder, run, startChild } from '../../support/child.ts'
import { cli } from '../../support/run-cli.ts'

function prepare(folder: string): string {
  const config = join(folder, 'sallyport.yaml')
  const any = { host: '127.0.0.1', port: 0 }
  const audit = { file: join(folder, 'audit.jsonl') }
  writeFileSync(config, JSON.stringify({ dataFolder: 'data', ssh: any, postgres: any, api: any, audit }))
  return config
}

t.test('init, start, health, rotation of the audit file, stop', async t => {
  // Not tap's own folder: its path is too long for a socket.
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-start-'))
  t.teardown(() => removeFolder(folder))
  const config = prepare(folder)
  t.match(await cli(['start', '-c', config]), { exit: 5, stderr: /no vault key file.*sallyport init/s })
  t.match(await cli(['init', '-c', config]), { exit: 0, stdout: /Keep a copy of the vault key/ })
  t.equal(statSync(join(folder, 'data/vault.key')).mode & 0o777, 0o600)
  t.match(await cli(['init', '-c', config]), { exit: 0, stdout: /was there already: kept/ })

  const main = new URL('../../../src/main.ts', import.meta.url).pathname
  const gateway = startChild(process.execPath, [main, 'start', '-c', config], { folder, logFile: join(folder, 'log') })
  t.teardown(() => gateway.end('SIGKILL'))
  await gateway.printed(/the gateway is ready/)
  t.match(await cli(['health', '-c', config]), { exit: 0, stdout: /gateway +ready/ })
  t.match(
    await cli(['start', '-c', config]),
    { exit: 1, stderr: /Another gateway runs on .*sallyport\.db/ },
    'a second one does not start',
  )

  await rename(join(folder, 'audit.jsonl'), join(folder, 'audit.1'))
  process.kill(gateway.pid, 'SIGHUP')
  while (!existsSync(join(folder, 'audit.jsonl'))) await new Promise(resolve => setImmediate(resolve))

  process.kill(gateway.pid, 'SIGTERM')
  t.equal(await gateway.ended, 0)
  t.match(gateway.output(), /the gateway has stopped/)
  t.notOk(existsSync(join(folder, 'data/sallyport.sock')))
  t.match(await cli(['health', '-c', config]), { exit: 3, stderr: /No gateway answers/ })
})

t.test('told to stop while it starts, it stops as soon as it could be asked to', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-start-'))
  t.teardown(() => removeFolder(folder))
  const config = prepare(folder)
  // Starting waits for the key: until somebody writes it.
  const pipe = join(folder, 'key')
  execFileSync('mkfifo', [pipe])
  const key = { command: ['/bin/sh', '-c', 'echo asked > "$0.asked"; cat "$0"', pipe] }
  writeFileSync(config, JSON.stringify({ ...JSON.parse(readFileSync(config, 'utf8')), vault: { key } }))
  const main = new URL('../../../src/main.ts', import.meta.url).pathname
  const gateway = startChild(process.execPath, [main, 'start', '-c', config], { folder, logFile: join(folder, 'log') })
  t.teardown(() => gateway.end('SIGKILL'))
  while (!existsSync(`${pipe}.asked`)) await new Promise(resolve => setImmediate(resolve))
  process.kill(gateway.pid, 'SIGTERM')
  writeFileSync(pipe, randomBytes(32).toString('base64'))
  t.equal(await gateway.ended, 0)
  t.match(gateway.output(), /the gateway has stopped/)
})

t.test('a path that no socket can have is told as such', async t => {
  const folder = mkdtempSync(join(tmpdir(), `sallyport-${'long'.repeat(30)}-`))
  t.teardown(() => removeFolder(folder))
  const config = prepare(folder)
  await cli(['init', '-c', config])
  t.match(await cli(['start', '-c', config]), { exit: 2, stderr: /too long for a socket: at most 107 bytes/ })
})

t.test('started by hand on a terminal it speaks to people: lines, addresses, what to type next', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-start-'))
  t.teardown(() => removeFolder(folder))
  const config = prepare(folder)
  const program = new URL('../../../bin/sallyport', import.meta.url).pathname
  const made = await run(program, ['-c', config, 'init'])
  t.match(made.stdout, `Next: ${program} --config ${config} start`)
  // A terminal of its own, as wide as people have.
  const command = `stty cols 120; unset NODE_OPTIONS; exec ${program} -c ${config} start`
  const gateway = startChild('script', ['-qefc', command, '/dev/null'], { folder, logFile: join(folder, 'log') })
  t.teardown(() => gateway.end('SIGKILL'))
  await gateway.printed(/Ctrl-C/)
  const output = gateway.output()
  t.match(output, /INFO.*the gateway is ready/)
  t.notMatch(output, /^\{/m, 'no JSON')
  t.match(output, /PostgreSQL\S* +127\.0\.0\.1:\d+/)
  t.match(output, `${program} --config ${config} apply -f config/resources`)
  await gateway.end('SIGTERM')
})
