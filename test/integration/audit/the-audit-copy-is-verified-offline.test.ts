/** The JSON-lines copy of the audit log, also rotated, is checked by the command line with the public key alone. */

import { appendFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { asOwner, cli } from '../../support/run-cli.ts'
import { startTestGateway } from '../../support/start-gateway.ts'

const home = mkdtempSync(join(tmpdir(), 'sallyport-copy-'))
t.teardown(() => rmSync(home, { recursive: true }))
const file = join(home, 'audit.jsonl')
const older = join(home, 'audit.jsonl.1')
const key = join(home, 'sallyport.pub')
const gateway = await startTestGateway({ configure: config => Object.assign(config.audit, { file }) })
t.teardown(() => gateway.close())
writeFileSync(key, (await asOwner(gateway, ['key', 'public'])).stdout)
await gateway.addUser({ name: 'audrey' })
for (const name of ['one', 'two', 'three']) await asOwner(gateway, ['token', 'create', name, '--user', 'audrey'])
renameSync(file, older)
await gateway.reopen()
for (const name of ['four', 'five']) await asOwner(gateway, ['token', 'create', name, '--user', 'audrey'])
const last = (await gateway.parts.audit.list({ limit: 1 }))[0]!
await gateway.stop(0)

const verify = (...words: string[]) => cli(['audit', 'verify', ...words, '--key', key])
const linesOf = (path: string) => readFileSync(path, 'utf8').trimEnd().split('\n')

t.test('the whole copy is good, whatever the order of its files', async t => {
  for (const names of [
    [older, file],
    [file, older],
  ]) {
    const result = await verify(...names, '--from-start')
    t.match(
      result,
      { exit: 0, stdout: new RegExp(`whole: ${last.seq + 1} events \\(1 to ${last.seq + 1}\\)`) },
      result.stderr,
    )
  }
})

t.test('one that begins in the middle says so, and continues from a checkpoint of what was archived', async t => {
  const first = JSON.parse(linesOf(file)[0]!) as { seq: number; previous: string }
  t.match(await verify(file), { exit: 0, stdout: new RegExp(`audit.jsonl:1: begins with event ${first.seq}`) })
  t.match(await verify(file, '--from-start'), { exit: 1, stdout: /audit.jsonl:1: the beginning is cut off/ })
  t.match(await verify(file, '--checkpoint', `${first.seq - 1}:${first.previous}`), { exit: 0 })
  t.match(await verify(file, '--checkpoint', `${first.seq - 1}:${'f'.repeat(64)}`), {
    exit: 1,
    stdout: /does not follow the checkpoint/,
  })
  t.match(await verify(file, '--checkpoint', `1:${'f'.repeat(64)}`), {
    exit: 1,
    stdout: /missing between the checkpoint/,
  })
  t.match(await verify(older, '--checkpoint', `${last.seq}:${last.hash}`), {
    exit: 1,
    stdout: /ends at \d+, before event/,
  })
})

t.test('a gap, an altered line and a wrong order are named with file and line', async t => {
  const copy = join(home, 'copy.jsonl')
  const all = [...linesOf(older), ...linesOf(file)]
  const of = async (lines: string[]) => {
    writeFileSync(copy, `${lines.join('\n')}\n`)
    return verify(copy)
  }
  t.match(await of(all.toSpliced(2, 1)), {
    exit: 1,
    stdout: /copy.jsonl:3: event 3 is missing/,
    stderr: /--one-of-several/,
  })
  t.match(await of(all.with(1, all[1]!.replace('"seq":2', '"seq": 2'))), {
    exit: 1,
    stdout: /copy.jsonl:2: event 2 is not as it was written/,
  })
  t.match(await of(all.with(1, all[2]!).with(2, all[1]!)), {
    exit: 1,
    stdout: /copy.jsonl:3: event 2 comes after event 3 \(line 2\)/,
  })
  writeFileSync(copy, `${all.join('\n')}\n`)
  appendFileSync(copy, all[0]!.slice(0, 40))
  t.match(await verify(copy), { exit: 0, stdout: /an unfinished last line/ })
})

t.test('what cannot be checked is an error that says what to do', async t => {
  t.match(await verify(join(home, 'nothing.jsonl')), { exit: 2, stderr: /cannot be read/ })
  writeFileSync(join(home, 'empty.jsonl'), '')
  t.match(await verify(join(home, 'empty.jsonl')), { exit: 1, stderr: /no audit event/ })
  t.match(await cli(['audit', 'verify', file, '--key', file]), { exit: 2, stderr: /not an Ed25519 public key/ })
  t.match(await cli(['audit', 'verify', '--key', key]), { exit: 2, stderr: /--key is for files/ })
  const json = await verify(older, file, '--json')
  t.match(json.json(), { ok: true, first: { seq: 1 }, problems: [], complaints: [] })
})
