import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createKeyProvider, initKeyFile } from '../../../src/vault/key-provider.ts'

const KEY = Buffer.alloc(32, 7).toString('base64')

t.test('a new key file is ours alone, and is never overwritten', async t => {
  const file = join(t.testdir(), 'vault.key')
  const made = await initKeyFile(file)
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.equal((await createKeyProvider({ file }).load()).id, made.id)
  const before = readFileSync(file, 'utf8')
  await t.rejects(initKeyFile(file), { code: 'CONFLICT', message: /never overwritten/ })
  t.equal(readFileSync(file, 'utf8'), before)
})

t.test('a key file that cannot be made or written whole is told, and leaves nothing behind', async t => {
  await t.rejects(initKeyFile(join(t.testdir(), 'no', 'such', 'folder', 'key')), { code: 'VAULT_KEY_UNAVAILABLE' })
  // A process that may write files of no byte at all meets what a full disk brings: an error in the middle.
  const folder = t.testdir()
  const script = `
    import { initKeyFile } from ${JSON.stringify(new URL('../../../src/vault/key-provider.ts', import.meta.url).href)}
    process.on('SIGXFSZ', () => undefined)
    await initKeyFile(${JSON.stringify(join(folder, 'key'))}).catch(error => console.log(error.code))`
  const child = ['-c', 'ulimit -f 0; exec "$0" --input-type=module-typescript -e "$1"', process.execPath, script]
  // Node itself writes what it compiled, at its end.
  const env = { ...process.env, NODE_DISABLE_COMPILE_CACHE: '1' }
  t.equal(
    execFileSync('sh', child, { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'ignore'] }).trim(),
    'VAULT_KEY_UNAVAILABLE',
  )
  t.same(readdirSync(folder), [])
})

t.test('a link in the place of a new key file is not followed', async t => {
  const folder = t.testdir({ other: 'precious' })
  symlinkSync(join(folder, 'other'), join(folder, 'key'))
  await t.rejects(initKeyFile(join(folder, 'key')), { code: 'CONFLICT' })
  t.equal(readFileSync(join(folder, 'other'), 'utf8'), 'precious')
})

t.test('a key file that others may use is refused, with the command that mends it', async t => {
  const file = join(t.testdir({ key: KEY }), 'key')
  for (const mode of [0o640, 0o604, 0o660, 0o644]) {
    chmodSync(file, mode)
    await t.rejects(createKeyProvider({ file }).load(), { code: 'VAULT_KEY_UNAVAILABLE', message: /chmod 600/ })
  }
  for (const mode of [0o600, 0o400]) {
    chmodSync(file, mode)
    await t.resolves(createKeyProvider({ file }).load())
  }
})

t.test('a key file of another user is refused', { skip: process.getuid!() !== 0 && 'needs root' }, async t => {
  const file = join(t.testdir({ key: KEY }), 'key')
  chmodSync(file, 0o600)
  chownSync(file, 65_534, 65_534)
  await t.rejects(createKeyProvider({ file }).load(), { code: 'VAULT_KEY_UNAVAILABLE', message: /65534/ })
})

t.test('a key file that is missing, a folder, too long or no key is told as such', async t => {
  const folder = t.testdir()
  const load = (name: string) => createKeyProvider({ file: join(folder, name) }).load()
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text, { mode: 0o600 })
  await t.rejects(load('none'), { code: 'VAULT_KEY_UNAVAILABLE', message: /sallyport init/ })
  mkdirSync(join(folder, 'folder'), { mode: 0o700 })
  await t.rejects(load('folder'), { code: 'VAULT_KEY_UNAVAILABLE', message: /is not a file/ })
  execFileSync('mkfifo', ['-m', '600', join(folder, 'pipe')])
  await t.rejects(load('pipe'), { code: 'VAULT_KEY_UNAVAILABLE', message: /is not a file/ })
  for (const text of ['', 'hello', KEY.slice(0, 40), `${KEY}${KEY}`, `!${KEY}`, KEY.replace('B', '-')]) {
    write('bad', text)
    await t.rejects(load('bad'), { code: 'VAULT_KEY_UNAVAILABLE', message: /32 bytes in base64/ }, JSON.stringify(text))
  }
  write('long', 'A'.repeat(10_000))
  await t.rejects(load('long'), { code: 'VAULT_KEY_UNAVAILABLE', message: /too long/ })
})

t.test('a key comes from an environment variable', async t => {
  t.teardown(() => delete process.env.SALLYPORT_TEST_KEY)
  const provider = createKeyProvider({ environment: 'SALLYPORT_TEST_KEY' })
  await t.rejects(provider.load(), { code: 'VAULT_KEY_UNAVAILABLE', message: /SALLYPORT_TEST_KEY, which is not set/ })
  process.env.SALLYPORT_TEST_KEY = KEY
  t.match((await provider.load()).id, /^[0-9a-f]{16}$/)
})

t.test('a key comes from a command, whose arguments no shell reads', async t => {
  const marker = join(t.testdir(), 'made-by-a-shell')
  const key = await createKeyProvider({ command: ['printf', '%s\n', KEY] }).load()
  t.match(key.id, /^[0-9a-f]{16}$/)
  await t.rejects(createKeyProvider({ command: ['echo', `$(touch ${marker})`] }).load(), {
    code: 'VAULT_KEY_UNAVAILABLE',
  })
  t.throws(() => statSync(marker))
})

t.test('a command that fails, prints too much or is not there is told without what it printed', async t => {
  for (const command of [['sh', '-c', `echo ${KEY}; exit 3`], ['yes', KEY], ['/no/such/program', KEY], []]) {
    try {
      await createKeyProvider({ command }).load()
      t.fail('it was taken')
    } catch (error) {
      const { code, message, cause } = error as { code: string; message: string; cause?: unknown }
      t.equal(code, 'VAULT_KEY_UNAVAILABLE')
      t.notMatch(`${message} ${JSON.stringify(cause)}`, KEY)
    }
  }
})

t.test('the id of a key is the same at every load and differs between keys', async t => {
  const folder = t.testdir()
  const ids = await Promise.all(['a', 'b', 'c'].map(async name => (await initKeyFile(join(folder, name))).id))
  t.equal(new Set(ids).size, 3)
})
