/** An auditor lists sessions, replays and exports one, and proves that it is unchanged; each look stands in the audit log. */

import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import t from 'tap'
import { asOwner, cli, withToken } from '../../support/run-cli.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { startSshd } from '../../support/start-sshd.ts'
import { addWeb01, makeToken, runSession } from '../../support/web-01.ts'

const sshd = await startSshd()
t.teardown(() => sshd.stop())
const gateway = await startTestGateway()
t.teardown(() => gateway.close())
const alice = await addWeb01(gateway, sshd)
await gateway.addUser({ name: 'audrey' })
const { session } = await runSession(gateway, alice, sshd.account, 'echo hello from the target; exit 3')
const auditor = await makeToken(gateway, 'audrey', 'auditor')
const reader = await makeToken(gateway, 'audrey', 'read')

async function audited(kind: string): Promise<unknown[]> {
  const events = await gateway.parts.audit.list({ session })
  return events.filter(event => event.kind === kind).map(({ actor, data }) => ({ actor, ...JSON.parse(data) }))
}

t.test('the session is listed and shown', async t => {
  const list = await withToken(gateway, auditor, ['session', 'list', '--user', 'alice', '--json'])
  t.equal(list.exit, 0)
  t.match(list.json<{ sessions: unknown[] }>().sessions, [
    {
      id: session,
      user: 'alice',
      account: sshd.account,
      target: 'web-01',
      protocol: 'ssh',
      state: 'ended',
      endReason: 'client-closed',
    },
  ])
  const table = await withToken(gateway, auditor, ['session', 'list'], { columns: 80 })
  t.match(table.stdout, session)
  t.ok(
    stripVTControlCharacters(table.stdout)
      .split('\n')
      .every(line => line.length <= 80),
    'at 80 columns nothing wraps',
  )
  const none = await withToken(gateway, auditor, ['session', 'list', '--user', 'bob'])
  t.same([none.exit, none.stdout, none.stderr], [0, '', 'No sessions match.\n'])
  const page = await withToken(gateway, auditor, ['session', 'list', '--limit', '1'])
  t.equal(page.stderr, `Older ones: --before ${session}\n`)
  const next = await withToken(gateway, auditor, ['session', 'list', '--before', session])
  t.same([next.exit, next.stdout, next.stderr], [0, '', 'No sessions match.\n'])
  const shown = await withToken(gateway, auditor, ['session', 'show', session])
  t.match(shown.stdout, /state +client-closed/)
})

t.test('a replay shows what was on the screen, and is audited before it begins', async t => {
  const replay = await withToken(gateway, auditor, ['session', 'replay', session])
  t.equal(replay.exit, 0, replay.stderr)
  const [which] = replay.stderr.split('\n')
  t.match(
    which,
    new RegExp(`^${session}: alice as \\S+@web-01 by ssh from 127\\.0\\.0\\.1, \\d{4}-`),
    'which session it is',
  )
  t.match(replay.stdout, 'echo hello from the target; exit 3')
  t.match(replay.stdout, /hello from the target\r\n/)
  t.match(await audited('recording.replayed'), [{ actor: 'audrey', user: 'alice', target: 'web-01' }])
})

t.test('exports are for asciinema, machines and people', async t => {
  const cast = await withToken(gateway, auditor, ['session', 'export', session, '--format', 'cast'])
  const [header, ...events] = cast.stdout
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
  t.match(header, { version: 2, title: `alice as ${sshd.account}@web-01, ${session}` })
  t.match(
    events.map(([, kind, text]) => [kind, text]),
    [['o', 'hello from the target\r\n']],
  )

  const lines = await withToken(gateway, auditor, ['session', 'export', session, '--format', 'jsonl'])
  const objects = lines.stdout
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
  t.match(objects[0], { type: 'recording', session, user: 'alice' })
  t.ok(objects.some(({ type, status }) => type === 'exit' && status === 3))

  const file = join(gateway.folder, 'session.txt')
  const text = await withToken(gateway, auditor, ['session', 'export', session, '--format', 'text', '-o', file])
  t.equal(text.exit, 0, text.stderr)
  t.match(readFileSync(file, 'utf8'), 'hello from the target\n')
  const again = await withToken(gateway, auditor, ['session', 'export', session, '-o', file])
  t.equal(again.exit, 1, 'a file that is there is not overwritten')
  t.equal((await audited('recording.exported')).length, 4)
})

t.test('the sealed file is verified offline with the public key alone', async t => {
  const file = join(gateway.folder, 'copy.rec')
  const key = join(gateway.folder, 'sallyport.pub')
  writeFileSync(key, (await withToken(gateway, auditor, ['key', 'public'])).stdout)
  await withToken(gateway, auditor, ['session', 'export', session, '--format', 'raw', '-o', file])
  const good = await cli(['session', 'verify', file, '--key', key])
  t.match(good, { exit: 0, stdout: /^good {2}.*copy\.rec/ })

  const bytes = readFileSync(file)
  bytes[bytes.length - 300]! ^= 1
  const altered = join(gateway.folder, 'altered.rec')
  writeFileSync(altered, bytes)
  const bad = await cli(['session', 'verify', altered, '--key', key, '--json'])
  t.equal(bad.exit, 1)
  t.match(bad.json(), { recordings: [{ ok: false, firstBad: { why: String } }] })
  const folder = await cli(['session', 'verify', gateway.config.recording.folder, '--key', key])
  t.match(folder, { exit: 0, stdout: session })
  t.match(folder.stdout, /not compared: /, 'no gateway answers there, and that is said')
  const byGateway = await withToken(gateway, auditor, ['session', 'verify', gateway.config.recording.folder])
  t.match(byGateway, { exit: 0, stdout: session }, 'with the key that the gateway names')
  t.match(byGateway.stdout, /matches the audit log/)
  const withoutRight = await withToken(gateway, reader, ['session', 'verify', file, '--key', key])
  t.match(withoutRight, { exit: 0, stdout: /not compared: / })
  const alone = await cli(['session', 'verify', file, '--socket', join(gateway.folder, 'nobody.sock')])
  t.match(alone, { exit: 2, stderr: /--key FILE/ })
})

t.test('the gateway verifies it too, and knows a well sealed file that is not the one', async t => {
  const good = await withToken(gateway, auditor, ['session', 'verify', session])
  t.match(good, { exit: 0, stdout: /^good.*matches the audit log/ })
  await gateway.parts.database
    .updateTable('sessions')
    .set({ recording_hash: 'f'.repeat(64) })
    .where('id', '=', session)
    .execute()
  const bad = await withToken(gateway, auditor, ['session', 'verify', session])
  t.match(bad, { exit: 1, stdout: /not the recording that was noted/ })
  t.match(bad.stdout, /differs from the session's row/)
  const file = await withToken(gateway, auditor, ['session', 'verify', gateway.config.recording.folder])
  t.match(file, { exit: 1, stdout: /differs from the session's row/ }, 'and of the files')
})

t.test('the recording of another session in its place is not taken for it', async t => {
  const other = await runSession(gateway, alice, sshd.account, 'echo something else')
  const row = await gateway.parts.sessions.get(other.session)
  const mine = await gateway.parts.sessions.get(session)
  const folder = gateway.config.recording.folder
  copyFileSync(join(folder, mine!.recording), join(folder, row!.recording))
  const replay = await withToken(gateway, auditor, ['session', 'replay', other.session])
  t.match(replay, { exit: 1, stdout: '', stderr: new RegExp(`lies that of ${session}`) })
  const verified = await withToken(gateway, auditor, ['session', 'verify', other.session])
  t.match(verified, { exit: 1, stdout: /not the recording that was noted/ })
})

t.test('who may only read sees that there was a session, and nothing of it', async t => {
  t.equal((await withToken(gateway, reader, ['session', 'show', session])).exit, 0)
  const before = (await audited('recording.replayed')).length
  for (const words of [
    ['replay', session],
    ['export', session],
    ['follow', session],
    ['verify', session],
  ]) {
    const refused = await withToken(gateway, reader, ['session', ...words])
    t.match(refused, { exit: 4, stdout: '', stderr: /needs a token with the scope audit;/ }, words.join(' '))
  }
  t.match(await withToken(gateway, reader, ['audit', 'list']), { exit: 4, stdout: '' })
  t.equal((await audited('recording.replayed')).length, before)
  const refusals = await gateway.parts.audit.list({ kind: 'api.refused' })
  t.equal(refusals.length, 6)
  t.match(JSON.parse(refusals[0]!.data), { reason: 'scope', needed: 'audit', held: 'read', token: 'audrey-read' })
})

t.test('what cannot be audited is not shown', async t => {
  await gateway.parts.database.schema.alterTable('audit_head').renameTo('audit_head_gone').execute()
  const replay = await withToken(gateway, auditor, ['session', 'replay', session])
  t.match(replay, { exit: 5, stdout: '', stderr: /audit log cannot be written/ })
  await gateway.parts.database.schema.alterTable('audit_head_gone').renameTo('audit_head').execute()
  t.equal((await withToken(gateway, auditor, ['session', 'replay', session])).exit, 0)
})

t.test('the audit log is listed and verified', async t => {
  const list = await withToken(gateway, auditor, ['audit', 'list', '--session', session, '--json'])
  const kinds = list.json<{ events: { kind: string }[] }>().events.map(({ kind }) => kind)
  for (const kind of ['login.accepted', 'decision.granted', 'session.started', 'session.ended'])
    t.ok(kinds.includes(kind), kind)
  const verified = await withToken(gateway, auditor, ['audit', 'verify'])
  t.match(verified, { exit: 0, stdout: /^whole: \d+ events/ })
  const [, checkpoint] = /checkpoint (\S+)/.exec(verified.stdout)!
  t.equal((await withToken(gateway, auditor, ['audit', 'verify', '--checkpoint', checkpoint!])).exit, 0)
  await gateway.parts.database.updateTable('audit_events').set({ actor: 'nobody' }).where('seq', '=', 2).execute()
  t.match(await asOwner(gateway, ['audit', 'verify']), { exit: 1, stderr: /not whole.*\n.*event 2 is the first/s })
})
