import fc from 'fast-check'
import t from 'tap'
import { readWish, type TypedWish } from '../../../src/access-requests/read-wish.ts'
import { askWishSchema } from '../../../src/access-requests/wish-schema.ts'
import { GatewayError } from '../../../src/shared/errors.ts'

const now = Date.parse('2026-11-28T12:00:00Z')
const read = (address: string | undefined, typed: TypedWish = {}) => readWish(address, typed, { now })

t.test('what is typed is one account, one target, or a choice of targets', async t => {
  t.match(read('root@web-01', { for: '2h' }), { on: { target: 'web-01' }, account: 'root', forMs: 7_200_000 })
  t.match(read(undefined, { target: 'web-01', level: 'admin' }), { on: { target: 'web-01' }, level: 'admin' })
  t.same(read(undefined, { labels: ['env=a=b', 'os=x'], targets: ['web-*'], account: 'root' }).on, {
    selector: { names: ['web-*'], labels: { env: 'a=b', os: 'x' } },
  })
  const wrong: [string | undefined, TypedWish, RegExp][] = [
    [undefined, {}, /Say what you ask for/],
    ['root@web-01', { target: 'web-01' }, /Say what you ask for/],
    ['root@web-01', { account: 'ops' }, /--account goes with/],
    ['web-01', {}, /root@web-01/],
    [undefined, { target: 'web 01' }, /named as in web-01/],
    [undefined, { labels: ['env'] }, /env=production/],
    [undefined, { targets: ['*-01'] }, /named as in web-01/],
    ['root@web-01', { level: 'god' }, /--level is one of/],
    ['root@web-01', { for: '2 hours' }, /--for is/],
    ['root@web-01', { role: 'a b' }, /role: a name has/],
  ]
  for (const [address, typed, message] of wrong) t.throws(() => read(address, typed), { code: 'BAD_REQUEST', message })
})

t.test('a time to begin is one of the day, with a zone or in that of the reader, or one ahead', async t => {
  const at = (text: string) => read('root@web-01', { at: text }).startsAt
  t.equal(at('2026-11-28T18:00'), Date.parse('2026-11-28T18:00Z'))
  t.equal(at('2026-11-28T18:00+02:00'), Date.parse('2026-11-28T16:00Z'))
  t.equal(at('2026-11-29'), Date.parse('2026-11-29T00:00Z'))
  t.equal(at('30m'), now + 30 * 60_000)
  for (const text of ['', 'noon', '18:00', '2026-13-01T00:00', '2026-11-28 18:00', '28.11.2026', '2026-02-30T10:00'])
    t.throws(() => at(text), { code: 'BAD_REQUEST', message: /--at is a time/ }, text)
})

t.test('whatever is typed, it is a wish that every gateway takes, or refused in words', async () => {
  const text = fc.oneof(fc.string(), fc.constantFrom('root@web-01', 'web-01', 'web-*', 'a=b', '2h', 'admin', '*'))
  const typed = fc.record(
    {
      ...{ target: text, level: text, account: text, role: text, for: text, at: text, reason: text, ticket: text },
      ...{ labels: fc.array(text), targets: fc.array(text), channel: fc.array(text), database: fc.array(text) },
      permanent: fc.boolean(),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(fc.option(text, { nil: undefined }), typed, (address, options) => {
      try {
        return askWishSchema.safeParse(read(address, options)).success
      } catch (error) {
        return error instanceof GatewayError && error.code === 'BAD_REQUEST'
      }
    }),
  )
})
