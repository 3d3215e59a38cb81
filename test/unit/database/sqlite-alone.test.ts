import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { holdAlone } from '../../../src/database/sqlite-alone.ts'

const folder = t.testdir()

t.test('a store is held by one until that one lets go', async t => {
  const url = `sqlite:${join(folder, 'a.db')}`
  const first = holdAlone(url)
  t.throws(() => holdAlone(url), { code: 'CONFLICT', message: /Another gateway runs on .*a\.db/ })
  holdAlone(`sqlite:${join(folder, 'b.db')}`)[Symbol.dispose]()
  first[Symbol.dispose]()
  holdAlone(url)[Symbol.dispose]()
})

t.test('another name of the same store is the same store', async t => {
  const path = join(folder, 'named.db')
  writeFileSync(path, '')
  symlinkSync(path, join(folder, 'alias.db'))
  const held = holdAlone(`sqlite:${path}`)
  t.throws(() => holdAlone(`sqlite:${join(folder, 'alias.db')}`), { code: 'CONFLICT' })
  t.equal(statSync(`${path}.lock`).mode & 0o777, 0o600, 'nobody else can hold it')
  held[Symbol.dispose]()
})

t.test('a process that is killed lets go', async t => {
  const url = `sqlite:${join(folder, 'c.db')}`
  const program = `
    import { holdAlone } from '${new URL('../../../src/database/sqlite-alone.ts', import.meta.url)}'
    globalThis.held = holdAlone('${url}')
    console.log('held')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  t.throws(() => holdAlone(url), { code: 'CONFLICT' })
  child.kill('SIGKILL')
  await once(child, 'exit')
  holdAlone(url)[Symbol.dispose]()
})

t.test('a file that cannot be made is told; other stores need no hold', async t => {
  t.throws(() => holdAlone(`sqlite:${join(folder, 'nowhere', 'd.db')}`), { code: 'DATABASE_UNAVAILABLE' })
  for (const url of ['sqlite::memory:', 'postgres://host/database']) {
    const [one, two] = [holdAlone(url), holdAlone(url)]
    one[Symbol.dispose]()
    two[Symbol.dispose]()
  }
})
