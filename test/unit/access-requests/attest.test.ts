/** The attested end without targets: how long it is looked, what is said then, and that it is said once. */

import t from 'tap'
import { createAttest, isOver } from '../../../src/access-requests/attest/attest.ts'
import {
  attestationDocument,
  attestationText,
  type Findings,
  resultOf,
} from '../../../src/access-requests/attest/attestation.ts'
import { createAttestationRows } from '../../../src/access-requests/attest/attestation-rows.ts'
import { createOutbox } from '../../../src/audit/chain/outbox.ts'
import { sessionFindings } from '../../../src/gateway/attest/session-findings.ts'
import type { SessionRow } from '../../../src/session/records/session-store.ts'
import { eachStore, stopStores } from '../../support/each-store.ts'
import { createRequestWorld } from '../../support/request-parts.ts'

t.teardown(stopStores)

const closed = {
  session: 'ses_1',
  account: 'root@web-01',
  endReason: 'request-ended',
  client: 'closed',
  target: 'closed',
} as const
const gone = { is: 'seen', connection: 'gone', left: [] } as const
const of = (one: Partial<Findings['sessions'][number]>): Findings => ({
  sessions: [{ ...closed, atTarget: gone, ...one }],
  checkOuts: [],
  rotations: [],
})

t.test('what is not known is never said to be gone', async t => {
  t.equal(resultOf(of({})), 'gone')
  t.equal(resultOf(of({ atTarget: 'not-asked' })), 'closed')
  t.equal(resultOf(of({ client: 'unknown' })), 'unknown')
  t.equal(resultOf(of({ atTarget: { is: 'unknown', words: 'it does not answer' } })), 'unknown')
  t.equal(resultOf(of({ atTarget: { ...gone, connection: 'unknown' } })), 'unknown')
  t.equal(resultOf(of({ target: 'open', client: 'unknown' })), 'left')
  t.equal(resultOf(of({ atTarget: { ...gone, left: [{ id: 'process 7', what: 'sleep', ageMs: 1 }] } })), 'left')
  t.equal(resultOf({ ...of({}), checkOuts: [{ checkOut: 'cho_1', account: 'root@web-01', state: 'open' }] }), 'left')
  const rotation = { account: 'root@web-01', words: 'no' }
  t.equal(resultOf({ ...of({}), rotations: [{ ...rotation, state: 'waiting' }] }), 'unknown')
  t.equal(resultOf({ ...of({}), rotations: [{ ...rotation, state: 'failed' }] }), 'left')
  const document = attestationDocument({ request: 'req_1', at: 0, result: 'unknown', ...of({ client: 'unknown' }) })
  t.equal(attestationText(document), 'unknown: whether the connection to the client is closed of ses_1 on root@web-01')
})

t.test(
  'of sockets it is known what their own process saw, and that a dead one has none where nobody else could live',
  async t => {
    const row = { id: 'ses_1', account: 'root', target: 'web-01', gateway: 'gw_2', state: 'ended', end_reason: null }
    const seen = (more: Partial<SessionRow>, living: Set<string> | undefined, alone: boolean) => {
      const { client, target } = sessionFindings({ ...row, closed: null, ...more } as SessionRow, { living, alone })
      return [client, target]
    }
    t.same(seen({ closed: { client: true, target: true } }, new Set(['gw_2']), false), ['closed', 'closed'])
    t.same(seen({ closed: { client: false, target: true } }, new Set(['gw_2']), false), ['open', 'closed'])
    t.same(seen({ state: 'active' }, new Set(['gw_2']), false), ['open', 'open'])
    t.same(seen({}, new Set(['gw_1']), false), ['unknown', 'unknown'], 'it may live where nobody hears of it')
    t.same(seen({}, undefined, true), ['unknown', 'unknown'])
    t.same(seen({}, new Set(['gw_1']), true), ['closed', 'closed'], 'its file is held by another process')
  },
)

eachStore(t, 'it is looked for a while, and then said once, with what nobody knows', async (t, store) => {
  const database = await store.open()
  const world = await createRequestWorld(database)
  const { requests, clock } = world
  const ended: string[] = []
  const counted: string[] = []
  let findings: Findings = of({ atTarget: { is: 'unknown', words: 'it does not answer' } })
  const attest = createAttest({
    ...{ requests: requests.rows, rows: createAttestationRows(database), clock },
    outbox: createOutbox({ database, gateway: 'gw_test', clock }),
    audit: { flush: async () => undefined },
    endAgain: async ({ id }) => void ended.push(id),
    look: async () => findings,
    count: result => void counted.push(result),
  })
  const { signal } = new AbortController()
  const id = (await world.ask('alice')).id
  await requests.approve(world.as('lee'), id, {})
  t.equal(await attest(id, signal), undefined, 'it is not over')
  const over: boolean[] = []
  requests.onTransition(transition => void over.push(isOver(transition)))
  await requests.revoke(id, 'owner', undefined)
  t.same(over, [true])

  const began = clock.now()
  let looks = 0
  for (let again = await attest(id, signal); again !== undefined; again = await attest(id, signal)) {
    t.ok(again > clock.now() && again <= began + 600_000)
    clock.move(again - clock.now())
    if (++looks > 50) break
  }
  t.ok(looks > 5 && looks < 20, `it was looked ${looks} times`)
  t.equal(clock.now(), began + 600_000)
  t.equal(ended.length, looks + 1, 'and told to end each time')
  findings = of({})
  t.equal(await attest(id, signal), undefined)
  t.same(counted, ['unknown'], 'once')
  t.match(await requests.attestationOf(id), { result: 'unknown' })
  const events = (await world.events()).filter(({ kind }) => kind === 'access-request.attested')
  t.match(events, [{ actor: 'gateway', data: { request: id, result: 'unknown', counts: { unknown: 1, left: 0 } } }])
  t.equal(events.length, 1)
})
