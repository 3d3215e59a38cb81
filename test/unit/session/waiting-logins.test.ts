/** Logins that wait: bounded in number and time, and ended by whoever leaves and by a gateway that stops. */

import t from 'tap'
import { createWaitingLogins } from '../../../src/session/waiting-logins.ts'
import { refuse } from '../../../src/shared/errors.ts'

const start = (more: Partial<Parameters<typeof createWaitingLogins>[0]> = {}) => {
  const counts: number[] = []
  const logins = createWaitingLogins({
    ...{ longestMs: 60_000, perUser: 2, inAll: 3, stopping: () => false },
    waiting: count => counts.push(count),
    ...more,
  })
  return { logins, counts }
}
const client = () => {
  const over = new AbortController()
  return { over, loginOver: over.signal }
}
/** Waits for ever, as long as it is let. */
const forEver = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

t.test('it gives what was waited for', async t => {
  const { logins, counts } = start()
  t.equal(await logins.wait(client(), 'alice', async () => 'approved'), 'approved')
  t.strictSame(counts, [1, 0])
  await t.rejects(
    logins.wait(client(), 'alice', async () => {
      throw new Error('broken')
    }),
    { message: 'broken' },
  )
  t.strictSame(counts, [1, 0, 1, 0])
})

t.test('of one user, and in all, so many wait at a time', async t => {
  const { logins, counts } = start()
  const clients = [client(), client(), client()]
  const waits = ['alice', 'alice', 'bob'].map((user, i) => logins.wait(clients[i]!, user, forEver))
  t.match(await logins.wait(client(), 'alice', forEver), { code: 'TOO_MANY_CONNECTIONS', message: /You wait on 2/ })
  t.match(await logins.wait(client(), 'carol', forEver), { code: 'TOO_MANY_CONNECTIONS', message: /Too many/ })
  for (const { over } of clients) over.abort()
  for (const wait of waits) t.match(await wait, { code: 'LOGIN_GIVEN_UP' })
  t.equal(counts.at(-1), 0)
  t.equal(await logins.wait(client(), 'alice', async () => 1), 1)
})

t.test('whoever has left waits for nothing', async t => {
  const { logins } = start()
  const gone = client()
  gone.over.abort()
  t.match(await logins.wait(gone, 'alice', forEver), { code: 'LOGIN_GIVEN_UP' })
})

t.test('it ends after its time, and what it waited for is told', async t => {
  const { logins } = start({ longestMs: 1 })
  let told = false
  const wait = logins.wait(client(), 'alice', signal => {
    signal.addEventListener('abort', () => {
      told = true
    })
    return forEver(signal)
  })
  t.match(await wait, { code: 'WAITED_TOO_LONG' })
  t.ok(told)
})

t.test('what becomes of it when they leave is told beside why', async t => {
  const { logins, counts } = start()
  const leaving = client()
  const wait = logins.wait(leaving, 'alice', signal =>
    forEver(signal).catch(() => refuse('ACCESS_DENIED', 'Withdrawn.')),
  )
  leaving.over.abort()
  t.match(await wait, { code: 'LOGIN_GIVEN_UP', message: 'You have left. Withdrawn.' })
  const late = client()
  const given = Promise.withResolvers<string>()
  const tooLate = logins.wait(late, 'alice', () => given.promise)
  late.over.abort()
  given.resolve('approved')
  t.match(await tooLate, { code: 'LOGIN_GIVEN_UP', message: 'You have left.' }, 'and nothing else is made of it')
  t.equal(counts.at(-1), 0)
})

t.test('a gateway that stops lets nobody wait', async t => {
  let stopping = false
  const { logins } = start({ stopping: () => stopping })
  const wait = logins.wait(client(), 'alice', forEver)
  stopping = true
  t.match(await wait, { code: 'GATEWAY_STOPPING' })
  t.match(await logins.wait(client(), 'alice', forEver), { code: 'GATEWAY_STOPPING' })
})
