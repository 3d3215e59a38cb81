/** The state of a ticket, asked of a real receiver on loopback: one that answers, and one that hangs, redirects, lies or talks without end. */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Test, test } from 'tap'
import { createTicketCheck } from '../../../src/access-requests/ticket-check.ts'
import { ticketCheckSchema } from '../../../src/config/outside-facts.ts'
import { parseWebhookSecrets, webhookHeaders } from '../../../src/shared/cryptography/standard-webhooks.ts'
import { standingClock } from '../../support/identity-parts.ts'

const SECRET = parseWebhookSecrets(`whsec_${Buffer.alloc(32, 7).toString('base64')}`)!
const ALICE = { name: 'alice', email: 'Alice@Example.com' }

async function checkOf(t: Test, listener: RequestListener, more: object = {}) {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const settings = ticketCheckSchema.parse({
    url: `http://127.0.0.1:${port}/state`,
    ...{ secretFile: 'unused', allowLocal: true },
  })
  const clock = standingClock()
  const check = createTicketCheck({ settings: { ...settings, ...more }, secret: SECRET, ca: undefined, clock })
  return { check, clock }
}

interface Question {
  readonly id: string
  readonly data: { readonly ticket: string }
}
const questionIn = async (request: IncomingMessage): Promise<Question> =>
  JSON.parse(Buffer.concat(await Array.fromAsync(request)).toString('utf8'))
/** Says which question it is for, as it must, but for what is given. */
const answering =
  (answer: object): RequestListener =>
  async (request, response) => {
    const { id, data } = await questionIn(request)
    response.end(JSON.stringify({ id, ticket: data.ticket, ...answer }))
  }

test('the question is signed, names the ticket and who asks, and the answer is the state and whose it is', async t => {
  const asked: { body: Buffer; headers: Record<string, unknown> }[] = []
  const { check, clock } = await checkOf(t, async (request, response) => {
    asked.push({ body: Buffer.concat(await Array.fromAsync(request)), headers: request.headers })
    const { id, data } = JSON.parse(asked.at(-1)!.body.toString('utf8')) as Question
    const answer = { id, ticket: data.ticket, state: 'In Progress', assignee: 'ALICE@example.com' }
    response.end(JSON.stringify({ ...answer, more: { is: 'left alone' } }))
  })
  t.strictSame(await check('INC-4711', ALICE), { is: 'known', state: 'In Progress', isRequesters: true })
  const [{ body, headers }] = asked as [(typeof asked)[number]]
  t.match(JSON.parse(body.toString('utf8')), {
    id: headers['webhook-id'],
    type: 'ticket.check',
    data: { ticket: 'INC-4711', user: 'alice', email: 'Alice@Example.com' },
  })
  t.match(headers, webhookHeaders(String(headers['webhook-id']), body, clock.now(), SECRET))
  t.match(await check('INC-4711', { name: 'bob' }), { is: 'known', isRequesters: false })
})

test('a receiver that answers anything but a state says nothing, and none of its words are repeated', async t => {
  const answers: [RequestListener, RegExp][] = [
    [(_, response) => response.end('{"state":'), /not of the form/],
    [(_, response) => response.end('[]'), /not of the form/],
    [(_, response) => response.end('{"state":"\\u001b[31mopen"}'), /not of the form/],
    [(_, response) => response.end(JSON.stringify({ state: 'x'.repeat(65) })), /not of the form/],
    [(_, response) => response.end(JSON.stringify({ state: true, assignee: ['alice'] })), /not of the form/],
    [(_, response) => response.end(' '.repeat(100_000)), /the answer is too long/],
    [(_, response) => response.writeHead(500).end('{"state":"open"}'), /answered 500/],
    [(_, response) => response.writeHead(404).end('{"state":"open"}'), /answered 404/],
    [
      (_, response) => response.writeHead(307, { location: 'http://169.254.169.254/latest/meta-data' }).end(),
      /redirects \(307\), which is not followed/,
    ],
    [(request, _) => request.socket.destroy(), /could not be reached/],
  ]
  for (const [listener, why] of answers) {
    const { check } = await checkOf(t, listener)
    t.match(await check('INC-1', ALICE), { is: 'unknown', why }, String(why))
  }
})

test('an answer counts for its question alone: one of a cache, or of another ticket, says nothing', async t => {
  const other = 'the state of the ticket: the answer has the'
  const silent = 'the state of the ticket: the answer does not say which'
  const answers: [object, { echo?: boolean }, object][] = [
    [{ id: 'evt_of_before' }, {}, { is: 'unknown', why: `${other} id of another question` }],
    [{ ticket: 'INC-2' }, {}, { is: 'unknown', why: `${other} ticket of another question` }],
    [{ id: undefined }, {}, { is: 'unknown', why: `${silent} id of the question it is for` }],
    [{ ticket: undefined }, {}, { is: 'unknown', why: `${silent} ticket of the question it is for` }],
    [{ id: undefined, ticket: undefined }, { echo: false }, { is: 'known', state: 'open' }],
    [{ id: 'evt_of_before' }, { echo: false }, { is: 'unknown' }],
    [{ ticket: 'INC-2' }, { echo: false }, { is: 'unknown' }],
    [{ ticket: 4711 }, { echo: false }, { is: 'unknown', why: /not of the form/ }],
    [{}, {}, { is: 'known', state: 'open' }],
  ]
  for (const [answer, more, fact] of answers) {
    const { check } = await checkOf(t, answering({ state: 'open', ...answer }), more)
    t.match(await check('INC-1', ALICE), fact, JSON.stringify([answer, more]))
  }
  let first: string | undefined
  const { check } = await checkOf(t, async (request, response) => {
    const { id, data } = await questionIn(request)
    first ??= JSON.stringify({ id, ticket: data.ticket, state: 'open' })
    response.end(first)
  })
  t.match(await check('INC-1', ALICE), { is: 'known' })
  t.match(await check('INC-1', ALICE), { is: 'unknown', why: /another question/ }, 'the same answer once more')
})

test('one that hangs, before its answer or in the middle of it, is given up', async t => {
  for (const listener of [
    () => undefined,
    ((_, response) => void response.write('{"state":')) satisfies RequestListener,
  ]) {
    const { check } = await checkOf(t, listener, { timeout: 200 })
    t.match(await check('INC-1', ALICE), { is: 'unknown', why: 'the state of the ticket: no answer within 200 ms' })
  }
})

test('nobody asks for more than a few at once, and no local address is asked unless that is allowed', async t => {
  const waiting: (() => void)[] = []
  const { promise: four, resolve } = Promise.withResolvers<void>()
  const { check } = await checkOf(t, (request, response) => {
    waiting.push(() => void answering({ state: 'open' })(request, response))
    if (waiting.length === 4) resolve()
  })
  const asked = ['1', '2', '3', '4'].map(ticket => check(ticket, ALICE))
  await four
  t.match(await check('5', ALICE), { is: 'unknown', why: /too many/ })
  for (const answer of waiting) answer()
  for (const one of await Promise.all(asked)) t.match(one, { is: 'known', state: 'open' })
  const { check: refused } = await checkOf(t, (_, response) => response.end('{"state":"open"}'), { allowLocal: false })
  t.match(await refused('1', ALICE), { is: 'unknown', why: /allowLocal/ })
})
