import fc from 'fast-check'
import t from 'tap'
import { type CopiesOptions, verifyCopies } from '../../../src/audit/copy/verify-copies.ts'
import { copyLines, copyOf, verifyLines } from '../../support/audit-copy.ts'
import { testSigner } from '../../support/test-signer.ts'

const signer = testSigner()
const lines = (count: number, gatewayOf?: (seq: number) => string) =>
  copyLines(signer, count, gatewayOf === undefined ? {} : { gatewayOf })
const verify = (input: readonly string[], options?: CopiesOptions) => verifyLines(input, signer, options)
const files = (contents: Record<string, string[]>, options?: CopiesOptions) =>
  verifyCopies(
    Object.entries(contents).map(([name, content]) => copyOf(name, content)),
    signer.publicKeyPem,
    options,
  )

t.test('a file that nobody touched is good, from the beginning or from the middle', async t => {
  const all = lines(5)
  t.match(await verify([...all, '']), { ok: true, events: 5, first: { seq: 1, line: 1 }, last: { seq: 5 } })
  t.match(await verify(all.slice(2)), { ok: true, events: 3, first: { seq: 3, line: 1 } })
  t.match(await verify([]), { ok: true, events: 0, first: undefined })
  t.match(await verify(all.map(line => `${line}\r`)), { ok: true, events: 5 })
})

t.test('every bad line is named, and what comes after it is still checked', async t => {
  const all = lines(9)
  const changed = all.with(2, all[2]!.replace('"number":2', '"number":3')).toSpliced(6, 1)
  t.match(await verify(changed), {
    ok: false,
    problems: [
      { line: 3, seq: 3, problem: 'changed' },
      { line: 7, seq: 7, problem: 'missing', message: /event 7 is missing/ },
    ],
    problemCount: 2,
  })
  t.match(await verify(all.toSpliced(2, 3)), { problems: [{ line: 3, message: /events 3 to 5 are missing/ }] })
  t.match(await verify(all.with(1, all[2]!).with(2, all[1]!)), { problems: [{ line: 3, problem: 'reordered' }] })
  t.match(await verify([...all, all[8]!]), { problems: [{ line: 10, problem: 'repeated', message: /line 9 already/ }] })
  t.match(await verify(all.with(4, 'garbage')), {
    problems: [
      { line: 5, problem: 'unreadable' },
      { problem: 'missing', seq: 5 },
    ],
  })
  t.match(await verifyLines(all, testSigner()), {
    ok: false,
    events: 0,
    problems: [{ line: 1, problem: 'bad-signature' }],
  })
  t.match(await verify(all.with(0, all[0]!.replace('"seq":1', '"seq":1.5'))), { ok: false, problems: [{ line: 1 }] })
})

t.test('whatever one byte of a line is changed to, it is noticed', async t => {
  const all = lines(3)
  await fc.assert(
    fc.asyncProperty(fc.nat(all[1]!.length - 1), fc.integer({ min: 32, max: 126 }), async (at, code) => {
      const character = String.fromCharCode(code)
      fc.pre(all[1]![at] !== character)
      const changed = all.with(1, all[1]!.slice(0, at) + character + all[1]!.slice(at + 1))
      // A space at the end, and nothing else, is no change.
      return !(await verify(changed)).ok
    }),
    { numRuns: 300 },
  )
  const added = all.with(1, all[1]!.replace('{"seq"', '{"note":"forged","seq"'))
  t.match(await verify(added), { ok: false, problems: [{ line: 2, problem: 'changed' }] }, 'nor may a field be added')
  const moved = all.with(0, all[0]!.replace('1970-01-01T00:00:00.000Z', '1999-01-01T00:00:00.000Z'))
  t.match(await verify(moved), { ok: false, problems: [{ line: 1 }] }, 'the time shown to people is compared')
  const padded = all.with(0, all[0]!.replace(/"signature":"([^"]+)"/, '"signature":"$1!!"'))
  t.match(await verify(padded), { ok: false, problems: [{ line: 1 }] })
})

t.test('rotated files are one log, in whatever order they are named', async t => {
  const all = lines(12)
  const rotated = { 'audit.jsonl': all.slice(8), 'audit.jsonl.1': all.slice(4, 8), 'audit.jsonl.2': all.slice(0, 4) }
  t.match(await files(rotated), {
    ok: true,
    events: 12,
    first: { file: 'audit.jsonl.2' },
    last: { file: 'audit.jsonl' },
  })
  const { 'audit.jsonl.1': _, ...gone } = rotated
  t.match(await files(gone), { problems: [{ file: 'audit.jsonl', line: 1, message: /events 5 to 8 are missing/ }] })
  t.match(await files({ a: all.slice(0, 8), b: all.slice(4) }), { ok: true, repeated: 4 })
})

t.test('a last line that a crash tore is no fault, anywhere else half a line is one', async t => {
  const all = lines(4)
  const torn = copyOf('audit.jsonl', all.with(3, all[3]!.slice(0, 50)), true)
  const verdict = await verifyCopies([torn], signer.publicKeyPem)
  t.match(verdict, { ok: true, events: 3, torn: [{ file: 'audit.jsonl', line: 4 }] })
  t.match(await verify(all.with(1, all[1]!.slice(0, 50))), { ok: false, problems: [{ line: 2 }] })
})

t.test('lines that several gateways wrote are put in order, in one file or in a file each', async t => {
  const all = lines(30, seq => (seq % 3 === 0 ? 'gw_b' : 'gw_a'))
  const of = (gateway: string) => all.filter(line => line.includes(gateway))
  t.match(await files({ a: of('gw_a'), b: of('gw_b') }), { ok: true, events: 30 })
  t.match(await verify([...of('gw_b').slice(0, 5), ...of('gw_a'), ...of('gw_b').slice(5)]), { ok: true, events: 30 })
  t.match(await verify(of('gw_a')), { ok: false, problems: [{ problem: 'missing', seq: 3 }] })
  t.match(await verify(of('gw_a'), { partial: true }), { ok: true, events: 20, absent: 9 })
  const forged = of('gw_a').with(1, of('gw_a')[1]!.replace('alice', 'alicf'))
  t.match(await verify(forged, { partial: true }), { problems: [{ line: 2, seq: 2, problem: 'changed' }] })
  t.match(await verify(of('gw_a').toReversed(), { partial: true }), {
    ok: false,
    problems: [{ line: 2, problem: 'reordered' }],
  })
})

t.test('whatever the turns of the gateways, what is whole is whole, and what is missing is missing', async () => {
  const all = lines(40, seq => `gw_${seq % 3}`)
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(2), { minLength: 40, maxLength: 40 }),
      fc.option(fc.integer({ min: 1, max: 38 })),
      async (turns, lost) => {
        const kept = lost === null ? all : all.toSpliced(lost, 1)
        const queues = [0, 1, 2].map(gateway => kept.filter(line => line.includes(`gw_${gateway}`)))
        const mixed = [...turns.flatMap(turn => queues[turn]!.splice(0, 1)), ...queues.flat()]
        const verdict = await verify(mixed)
        return lost === null
          ? verdict.ok && verdict.events === 40
          : verdict.problems.some(({ seq }) => seq === lost + 1)
      },
    ),
    { numRuns: 50 },
  )
})

t.test('a gateway that ran before another does not come after it', async t => {
  const all = lines(6, seq => (seq <= 3 ? 'gw_1' : 'gw_2'))
  t.match(await verify([...all.slice(3), ...all.slice(0, 3)]), {
    ok: false,
    problems: [{ line: 4, problem: 'reordered' }],
  })
})

t.test('two histories that were both signed are told apart', async t => {
  const all = lines(6)
  const after = { seq: 3, hash: JSON.parse(all[2]!).hash as string }
  const other = copyLines(signer, 3, { after, gatewayOf: () => 'gw_2' })
  t.match(await files({ a: all, b: [...all.slice(0, 3), ...other] }), {
    problems: [
      { seq: 4, problem: 'forked' },
      { seq: 5, problem: 'forked' },
      { seq: 6, problem: 'forked' },
    ],
  })
  t.match(await verify([...all.slice(0, 4), ...other.slice(1)]), { problems: [{ line: 5, problem: 'forked' }] })
})

t.test('what was noted earlier must be in the copy, and a copy that ends before it is cut off', async t => {
  const all = lines(6)
  const headOf = (line: string) => {
    const { seq, hash, at } = JSON.parse(line) as { seq: number; hash: string; at: number }
    return { noted: { seq, hash }, sent: { seq, hash, at } }
  }
  t.match(await verify(all, { noted: [headOf(all[3]!).noted] }), { ok: true, confirmed: 1 })
  t.match(await verify(all.slice(0, 3), { noted: [headOf(all[3]!).noted] }), {
    problems: [{ problem: 'truncated', message: /ends at 3, before event 4/ }],
  })
  t.match(await verify(all.slice(0, 3), { noted: [headOf(all[3]!).sent] }), {
    problems: [{ problem: 'truncated', message: /ends at 3, but head 4 was sent out at 1970/ }],
  })
  t.match(await verify(all, { noted: [{ seq: 3, hash: 'f'.repeat(64) }] }), {
    problems: [{ line: 3, problem: 'changed' }],
  })
})

t.test('a long copy with a gap at every other event is judged in reasonable memory', async t => {
  const all = lines(30_000, seq => (seq % 2 === 0 ? 'gw_a' : 'gw_b')).filter(line => line.includes('"gw_a"'))
  const verdict = await verify(all)
  t.match(verdict, { ok: false, events: 15_000, problemCount: 14_999 })
  t.equal(verdict.problems.length, 100)
})

t.test('a key that is not Ed25519 is refused', async t => {
  await t.rejects(verifyCopies([], 'nonsense'), { code: 'BAD_REQUEST' })
})
