/** `bin/sallyport` runs on the pinned Node, through symbolic links too, and says what is missing where it cannot. */

import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const root = new URL('../../..', import.meta.url).pathname
const program = join(root, 'bin/sallyport')
const env = { PATH: '/usr/bin:/bin' }

t.test('without arguments it helps', async t => {
  const { status, stdout } = spawnSync(program, [], { env, encoding: 'utf8' })
  t.equal(status, 0)
  t.match(stdout, /Run a gateway:.*Exit codes:/s)
  t.equal(stdout.includes('\x1b'), false, 'no colours where nobody looks')
})

t.test('it is found through symbolic links, relative and absolute', async t => {
  const folder = t.testdir()
  symlinkSync(program, join(folder, 'absolute'))
  symlinkSync('absolute', join(folder, 'relative'))
  t.match(execFileSync(join(folder, 'relative'), ['--version'], { env, encoding: 'utf8' }), /^\d+\.\d+\.\d+\n$/)
})

t.test('an older Node, or none, is told with what to do', async t => {
  const folder = t.testdir()
  mkdirSync(join(folder, 'bin'))
  cpSync(program, join(folder, 'bin/sallyport'))
  const tools = join(folder, 'tools')
  mkdirSync(tools)
  for (const name of ['dirname', 'readlink', 'uname', 'sh']) symlinkSync(`/usr/bin/${name}`, join(tools, name))
  const run = () => spawnSync('/bin/sh', [join(folder, 'bin/sallyport')], { env: { PATH: tools }, encoding: 'utf8' })
  t.match(run(), { status: 5, stderr: /there is no node.*npm ci/s })
  writeFileSync(join(tools, 'node'), '#!/bin/sh\necho v20.19.2\n')
  chmodSync(join(tools, 'node'), 0o755)
  t.match(run(), { status: 5, stderr: /Node 24 or newer.*v20\.19\.2.*npm ci/s })
})
