import fc from 'fast-check'
import t from 'tap'
import { type AuditRow, type ChainHead, link } from '../../../src/audit/chain.ts'
import { formatLine, parseLine } from '../../../src/audit/line.ts'
import { verifyAuditLines } from '../../../src/audit/verify.ts'
import { testSigner } from '../../support/test-signer.ts'

const signer = testSigner()

function lines(count: number, after: ChainHead = { seq: 0, hash: '' }): string[] {
  const rows: AuditRow[] = []
  for (let i = 0; i < count; i++) {
    const data = JSON.stringify({ number: i, text: 'ü"\n\u2028' })
    const event = { at: i, gateway: 'gw_1', kind: 'login.accepted', actor: 'alice', session: null, data }
    rows.push(link(rows.at(-1) ?? after, event, signer))
  }
  return rows.map(formatLine)
}

const verify = (input: string[], options = {}) => verifyAuditLines(input, signer.publicKeyPem, options)

t.test('whatever the data, a line reads back as what was hashed', async t => {
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()), fc.string(), (data, actor) => {
      const stored = JSON.stringify(data)
      const event = { at: 1, gateway: 'gw_1', kind: 'login.refused', actor, session: 'ses_1', data: stored }
      const row = link({ seq: 8, hash: 'abc' }, event, signer)
      const line = formatLine(row)
      t.notMatch(line, /\n/)
      t.same(parseLine(line), row)
    }),
    { numRuns: 100 },
  )
})

t.test('a file that nobody touched is good, from the beginning or from the middle', async t => {
  const all = lines(5)
  const verdict = await verify([...all, ''])
  t.match(verdict, { ok: true, events: 5, head: { seq: 5 } })
  t.match(await verify(all.slice(2)), { ok: true, events: 3 })
  t.match(await verify([]), { ok: true, events: 0 })
})

t.test('the first bad line is named', async t => {
  const all = lines(5)
  const changed = all.with(2, all[2]!.replace('"number":2', '"number":3'))
  t.match(await verify(changed), { ok: false, events: 2, seq: 3, problem: 'changed' })
  t.match(await verify(all.toSpliced(2, 1)), {
    ok: false,
    events: 2,
    problem: 'missing',
    message: /event 3 is missing/,
  })
  t.match(await verify(all.with(1, all[2]!).with(2, all[1]!)), { ok: false, events: 1, problem: 'missing' })
  t.match(await verify([...all, all[4]!]), { ok: false, events: 5, problem: 'reordered' })
  t.match(await verify(all.with(4, all[4]!.slice(0, -20))), { ok: false, events: 4, seq: 5, problem: 'unreadable' })
  t.match(await verifyAuditLines(all, testSigner().publicKeyPem), {
    ok: false,
    events: 0,
    seq: 1,
    problem: 'bad-signature',
  })
  const renumbered = all.with(0, all[0]!.replace('"seq":1', '"seq":1.5'))
  t.match(await verify(renumbered), { ok: false, problem: 'unreadable' })
})

t.test('the time shown to people is not what is signed, so a changed one shows too', async t => {
  const all = lines(2)
  const moved = all[0]!.replace('1970-01-01T00:00:00.000Z', '1999-01-01T00:00:00.000Z')
  t.match(await verify(all.with(0, moved)), { ok: false, events: 0, problem: 'unreadable' })
})

t.test('in the file of one of several gateways, gaps are allowed when asked for, and nothing else', async t => {
  const all = lines(6)
  const mine = [all[0]!, all[2]!, all[3]!, all[5]!]
  t.match(await verify(mine), { ok: false, problem: 'missing' })
  t.match(await verify(mine, { allowGaps: true }), { ok: true, events: 4, head: { seq: 6 } })
  t.match(await verify(mine.toReversed(), { allowGaps: true }), { ok: false, problem: 'reordered' })
  const forged = mine.with(1, mine[1]!.replace('alice', 'alicf'))
  t.match(await verify(forged, { allowGaps: true }), { ok: false, events: 1, seq: 3, problem: 'changed' })
})

t.test('no line of garbage is taken, and none throws', async t => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), line => parseLine(line) === undefined),
    { numRuns: 300 },
  )
  t.equal(parseLine('null'), undefined)
  t.equal(parseLine('[]'), undefined)
})

t.test('a key that is not Ed25519 is refused', async t => {
  await t.rejects(verifyAuditLines([], 'nonsense'), { code: 'BAD_REQUEST' })
})
