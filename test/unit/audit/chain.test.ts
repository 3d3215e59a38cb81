import { createHash, createPublicKey } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { type AuditRow, type ChainHead, checkLink, hashOf, link } from '../../../src/audit/chain/chain.ts'
import { testSigner } from '../../support/test-signer.ts'

const signer = testSigner()
const publicKey = createPublicKey(signer.publicKeyPem)
const START: ChainHead = { seq: 0, hash: '' }
const event = { at: 1_700_000_000_000, gateway: 'gw_1', kind: 'login.accepted', actor: 'ü', session: null, data: '{}' }

/** What is wrong with the first bad row; undefined when all are good. */
async function firstProblem(rows: AuditRow[]) {
  let head = START
  for (const row of rows) {
    const found = await checkLink(head, row, publicKey)
    if (found !== undefined) return found.problem
    head = row
  }
  return undefined
}

t.test('the hash is over the documented bytes', async t => {
  const bytes = (text: string) => {
    const utf8 = Buffer.from(text)
    return Buffer.concat([Buffer.from([0, 0, 0, utf8.length]), utf8])
  }
  const fields = ['sallyport-audit-1', '1', '1700000000000', 'gw_1', 'login.accepted', 'ü', '', '{}', '']
  const expected = createHash('sha256').update(Buffer.concat(fields.map(bytes)))
  t.equal(hashOf({ seq: 1, ...event, previous: '' }).toString('hex'), expected.digest('hex'))
})

const text = fc.string({ unit: 'binary', maxLength: 20 })
const anEvent = fc.record({
  at: fc.nat(),
  gateway: text,
  kind: text,
  actor: text,
  session: fc.option(text.filter(value => value !== '')),
  data: text,
})

function chain(events: (typeof event)[] | AuditRow[]): AuditRow[] {
  let head: ChainHead = START
  return events.map(one => {
    const row = link(head, one as typeof event, signer)
    head = row
    return row
  })
}

t.test('a chain that nobody touched is good', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anEvent, { maxLength: 5 }), async events => {
      return (await firstProblem(chain(events as AuditRow[]))) === undefined
    }),
    { numRuns: 30 },
  )
})

t.test('changing any field of any event shows', async t => {
  const fields = ['seq', 'at', 'gateway', 'kind', 'actor', 'session', 'data', 'previous', 'hash', 'signature'] as const
  await fc.assert(
    fc.asyncProperty(
      fc.array(anEvent, { minLength: 1, maxLength: 4 }),
      fc.nat(),
      fc.constantFrom(...fields),
      fc.nat(),
      async (events, where, field, nonce) => {
        const rows = chain(events as AuditRow[])
        const row = rows[where % rows.length]!
        const changed = typeof row[field] === 'number' ? row[field] + nonce + 1 : `${row[field] ?? ''}x`
        rows[where % rows.length] = { ...row, [field]: changed }
        return (await firstProblem(rows)) !== undefined
      },
    ),
    { numRuns: 200 },
  )
  t.pass('200 chains')
})

t.test('moving text from one field to the next shows', async t => {
  const one = link(START, { ...event, actor: 'ab', session: 'c' }, signer)
  t.equal(await firstProblem([{ ...one, actor: 'a', session: 'bc' }]), 'changed')
  t.equal(await firstProblem([{ ...one, gateway: 'gw_1l', kind: 'ogin.accepted' }]), 'changed')
})

t.test('taking out, swapping and repeating events show as what they are', async t => {
  const [one, two, three] = chain([event, event, event]) as [AuditRow, AuditRow, AuditRow]
  t.equal(await firstProblem([one, three]), 'missing')
  t.equal(await firstProblem([two, three]), 'missing')
  t.equal(await firstProblem([one, one, two]), 'reordered')
  t.equal(await firstProblem([one, three, two]), 'missing')
})

t.test('an event that fits the chain but was signed by another key is refused', async t => {
  const [one] = chain([event]) as [AuditRow]
  const forged = link(one, event, testSigner())
  t.equal(await firstProblem([one, forged]), 'bad-signature')
  t.equal(await firstProblem([one, { ...forged, signature: '' }]), 'bad-signature')
})

t.test('an event of another chain of the same key does not fit', async t => {
  const [one] = chain([event]) as [AuditRow]
  const [, other] = chain([{ ...event, at: 1 }, event]) as [AuditRow, AuditRow]
  t.equal(await firstProblem([one, other]), 'reordered')
})
