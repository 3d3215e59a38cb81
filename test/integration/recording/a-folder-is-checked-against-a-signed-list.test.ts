/** An auditor takes a signed list home and finds, without a gateway, what was done to the folder of recordings. */

import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { encodeSeal } from '../../../src/recording/format/seal.ts'
import { readRecording } from '../../../src/recording/store/reader.ts'
import { newId } from '../../../src/shared/ids.ts'
import { createTestRecordings, createTestSigner, testSubject } from '../../support/recording-parts.ts'
import { asOwner, cli, withToken } from '../../support/run-cli.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { startSshd } from '../../support/start-sshd.ts'
import { addWeb01, makeToken, runSession, startSession } from '../../support/web-01.ts'

const sshd = await startSshd()
t.teardown(() => sshd.stop())
const gateway = await startTestGateway()
t.teardown(() => gateway.close())
const alice = await addWeb01(gateway, sshd)
await gateway.addUser({ name: 'audrey' })
const auditor = await makeToken(gateway, 'audrey', 'auditor')
const folder = gateway.config.recording.folder
const { signer, recordings } = gateway.parts
const pathIn = (copy: string, session: string) => join(copy, recordings.fileOf({ session }))

const sessions: string[] = []
for (const words of ['echo one', 'echo two', 'echo three']) {
  sessions.push((await runSession(gateway, alice, sshd.account, words)).session)
}
const [one, two, three] = sessions as [string, string, string]
const live = startSession(gateway, alice, sshd.account, 'echo ready; cat')
await live.printed(/ready/)
const open = (await gateway.parts.sessions.list({ limit: 1 }))[0]!.id

const home = mkdtempSync(join(tmpdir(), 'sallyport-auditor-'))
t.teardown(() => rmSync(home, { recursive: true }))
const list = join(home, 'list.jsonl')
const key = join(home, 'sallyport.pub')
writeFileSync(key, (await withToken(gateway, auditor, ['key', 'public'])).stdout)

interface Answer {
  counts: Record<string, number>
  recordings: { state: string; file: string; session: string; why: string }[]
}

/** A copy of the folder with something done to it, checked without a gateway. */
async function check(t: Test, damage: (copy: string) => unknown, against = list) {
  const copy = t.testdir()
  cpSync(folder, copy, { recursive: true })
  await damage(copy)
  const result = await cli(['session', 'verify', copy, '--against', against, '--key', key, '--json'])
  const answer = result.json<Answer>()
  const of = (session: string) => answer.recordings.filter(found => found.session === session).map(({ state }) => state)
  return { exit: result.exit, answer, of }
}

t.test('heads without a list are refused: they would not be looked at', async t => {
  const result = await cli(['session', 'verify', folder, '--key', key, '--heads', join(home, 'not-there.jsonl')])
  t.match(result, { exit: 2, stdout: '', stderr: /--heads is for --against.*audit verify --heads FILE/ })
})

t.test('the list is made by an auditor, audited, and a folder as it should be is good', async t => {
  const made = await withToken(gateway, auditor, ['audit', 'export', '-o', list])
  t.match(made, { exit: 0, stderr: /Wrote/ })
  t.match(await gateway.parts.audit.list({ kind: 'audit.exported' }), [{ actor: 'audrey' }])
  const { exit, answer, of } = await check(t, () => undefined)
  t.equal(exit, 0)
  t.same(answer.counts, { good: 3, open: 1 })
  t.same(of(open), ['open'], 'a session that was live is not called deleted, nor cut')
  const text = await cli(['session', 'verify', folder, '--against', list, '--key', key])
  t.match(text, { exit: 0, stdout: /3 good, 1 open; against 4 sessions/ })
})

t.test('a session that was live when the list was made may be missing, or have ended since', async t => {
  const gone = await check(t, copy => rmSync(pathIn(copy, open)))
  t.same([gone.exit, gone.of(open)], [0, []])
})

t.test('deleted recordings are named', async t => {
  const { exit, answer, of } = await check(t, copy => rmSync(pathIn(copy, two)))
  t.same([exit, of(one), of(two)], [1, ['good'], ['deleted']])
  t.match(answer.recordings.find(({ session }) => session === two)?.file, /^\d{4}\/\d\d\/\d\d\/ses_/)
})

t.test('a cut recording is named, also one that was cut and sealed again with the real key', async t => {
  const cut = await check(t, copy => truncateSync(pathIn(copy, two), readFileSync(pathIn(copy, two)).length - 300))
  t.same([cut.exit, cut.of(two)], [1, ['cut']])
  const again = await check(t, async copy => {
    const path = pathIn(copy, two)
    const recording = await readRecording(path, gateway.parts.vault.openBytes)
    for await (const _ of recording);
    const { end, header } = recording
    if (end?.kind !== 'sealed') throw new Error('it should be sealed')
    // The header alone is kept: its link ends it.
    const bytes = readFileSync(path)
    const length = 9 + 4 + bytes.readUInt32BE(9) + 32
    const link = bytes.subarray(length - 32, length)
    const seal = await encodeSeal(
      { session: header.subject.session, frames: 0, bytes: length, endedAt: 0, reason: 'interrupted' },
      link,
      signer,
    )
    writeFileSync(path, Buffer.concat([bytes.subarray(0, length), seal]))
  })
  t.same([again.exit, again.of(two)], [1, ['replaced']])
  t.match(
    again.answer.recordings.find(({ session }) => session === two)?.why,
    /not the recording that the log notes.*shorter/,
  )
})

t.test('altered, replaced, doubled and foreign recordings are named', async t => {
  const altered = await check(t, copy => {
    const bytes = readFileSync(pathIn(copy, one))
    bytes[bytes.length - 400]! ^= 1
    writeFileSync(pathIn(copy, one), bytes)
  })
  t.same([altered.exit, altered.of(one)], [1, ['altered']])

  const replaced = await check(t, copy => cpSync(pathIn(copy, one), pathIn(copy, two)))
  t.same([replaced.exit, replaced.of(two), replaced.of(one)], [1, ['replaced'], ['good']])

  const doubled = await check(t, copy => cpSync(pathIn(copy, three), join(copy, 'copy-of-it.rec')))
  t.same([doubled.exit, doubled.of(three).toSorted()], [1, ['doubled', 'good']])

  const foreign = await check(t, async copy => {
    const other = createTestRecordings(copy)
    const recorder = await other.recordings.open(testSubject(Date.now()))
    await recorder.seal('client-closed')
  })
  t.same([foreign.exit, foreign.answer.counts.foreign], [1, 1])

  const signed = await check(t, async copy => {
    // Signed with the real key, of the real vault, and still of no session that the log knows.
    const subject = { ...testSubject(Date.now()), gateway: gateway.parts.gateway }
    const clock = { now: () => Date.now() - 3000, move: () => undefined }
    const { recordings } = createTestRecordings(copy, { signer, seal: gateway.parts.vault, clock })
    await (await recordings.open(subject)).seal('client-closed')
  })
  t.same([signed.exit, signed.answer.counts.foreign], [1, 1])
})

t.test('recordings that began after the list are outside of it', async t => {
  const { session } = await runSession(gateway, alice, sshd.account, 'echo four')
  const { exit, of } = await check(t, () => undefined)
  t.same([exit, of(session)], [0, ['outside']])
  const since = new Date(gateway.clock.now()).toISOString()
  await runSession(gateway, alice, sshd.account, 'echo five')
  const part = join(home, 'part.jsonl')
  t.equal((await asOwner(gateway, ['audit', 'export', '--since', since, '-o', part])).exit, 0)
  const checked = await check(t, () => undefined, part)
  t.same([checked.exit, checked.of(one), checked.answer.counts.good], [0, ['outside'], 1])
})

t.test('a list that was altered, cut, or signed by another is refused', async t => {
  const text = readFileSync(list, 'utf8')
  const lines = text.trimEnd().split('\n')
  const refusedFor = async (content: string, withKey = key) => {
    const file = join(home, 'altered.jsonl')
    writeFileSync(file, content)
    const { exit, stdout, stderr } = await cli(['session', 'verify', folder, '--against', file, '--key', withKey])
    t.same([exit, stdout], [1, ''])
    return stderr
  }
  t.match(await refusedFor(text.replace(two, newId('ses', Date.now()))), /altered/)
  t.match(await refusedFor(`${lines.toSpliced(2, 1).join('\n')}\n`), /altered: \d+ lines were signed/)
  t.match(await refusedFor(`${lines.slice(0, -1).join('\n')}\n`), /its signed end is missing/)
  t.match(await refusedFor(text.slice(0, -20)), /altered/)
  t.match(await refusedFor(`${text}${lines[1]}\n`), /behind its end/)
  t.match(await refusedFor(text.replace(/"seq":\d+/, '"seq":1')), /signature/)
  t.match(await refusedFor('{"hello": 1}\n'), /not a list/)
  const other = join(home, 'other.pub')
  writeFileSync(other, createTestSigner().publicKeyPem)
  t.match(await refusedFor(text, other), /signed with another key.*\n.*another installation/)
})

t.test('the folder of another installation is told as such', async t => {
  const elsewhere = t.testdir()
  await (await createTestRecordings(elsewhere).recordings.open(testSubject())).seal('client-closed')
  const result = await cli(['session', 'verify', elsewhere, '--against', list, '--key', key])
  t.match(result, { exit: 1, stderr: /None of these recordings/ })
  t.match(await cli(['session', 'verify', join(elsewhere, 'no'), '--against', list, '--key', key]), { exit: 2 })
})

t.test('a broken log gives no list', async t => {
  const { database } = gateway.parts
  const [event] = await gateway.parts.audit.list({ session: two, kind: 'session.ended' })
  await database.updateTable('audit_events').set({ data: '{"reason":"idle"}' }).where('seq', '=', event!.seq).execute()
  const file = join(home, 'broken.jsonl')
  const result = await asOwner(gateway, ['audit', 'export', '-o', file])
  t.match(result, { exit: 1, stderr: new RegExp(`event ${event!.seq} is not what its hash says`) })
  t.notOk(readdirSync(dirname(file)).includes('broken.jsonl'), 'and nothing is left of it')
  await database.updateTable('audit_events').set({ data: event!.data }).where('seq', '=', event!.seq).execute()
  // Rows are not asked: whoever owns the store could have changed them.
  await database
    .updateTable('sessions')
    .set({ recording_hash: 'f'.repeat(64) })
    .execute()
  await database.deleteFrom('sessions').where('id', '=', three).execute()
  t.equal((await asOwner(gateway, ['audit', 'export', '-o', file])).exit, 0)
  t.same((await check(t, copy => rmSync(pathIn(copy, three)), file)).of(three), ['deleted'])
})

t.test('the live session ends, and a new list has it', async t => {
  live.kill()
  await live.ended
  await gateway.ended(open)
  const file = join(home, 'later.jsonl')
  await asOwner(gateway, ['audit', 'export', '-o', file])
  t.same((await check(t, () => undefined, file)).of(open), ['good'])
})
