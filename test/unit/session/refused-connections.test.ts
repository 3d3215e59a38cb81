/** A flood of connections costs the audit log a bounded number of events, and none is left uncounted. */

import t from 'tap'
import type { AuditEvent } from '../../../src/audit/event.ts'
import { createRefusedConnections } from '../../../src/session/refused-connections.ts'
import { createLog } from '../../../src/shared/log.ts'

function start(append?: (event: AuditEvent) => Promise<void>) {
  const events: AuditEvent[] = []
  const audit = { append: append ?? (async (event: AuditEvent) => void events.push(event)) }
  const refused = createRefusedConnections({ audit, log: createLog('silent') })
  const knock = (source: string) =>
    refused.tell({ protocol: 'ssh', source, code: 'TOO_MANY_CONNECTIONS', why: 'from one source' })
  return { events, refused, knock }
}

t.test('a few are told one by one, with what is known of them', async t => {
  const { events, refused, knock } = start()
  knock('192.0.2.1')
  refused.tell({ protocol: 'postgres', source: '192.0.2.2', code: 'TLS_REQUIRED', why: 'plain', session: 'ses_1' })
  await refused.close()
  t.same(events, [
    {
      kind: 'connection.refused',
      actor: 'unknown',
      data: { protocol: 'ssh', source: '192.0.2.1', code: 'TOO_MANY_CONNECTIONS', why: 'from one source' },
    },
    {
      kind: 'connection.refused',
      actor: 'unknown',
      session: 'ses_1',
      data: { protocol: 'postgres', source: '192.0.2.2', code: 'TLS_REQUIRED', why: 'plain' },
    },
  ])
})

t.test('a flood from one IPv6 network is told ten times, the rest is counted', async t => {
  const { events, refused, knock } = start()
  for (let host = 1; host <= 5000; host++) knock(`2001:db8::${host.toString(16)}`)
  knock('192.0.2.1')
  t.equal(events.length, 11)
  await refused.close()
  t.match(events.at(-1), { kind: 'connection.refused', data: { more: 4990 } })
})

t.test('a flood from everywhere is bounded too', async t => {
  const { events, refused, knock } = start()
  for (let host = 0; host < 5000; host++) knock(`10.0.${host >> 8}.${host & 255}`)
  await refused.close()
  t.equal(events.length, 101)
  t.match(events.at(-1), { data: { more: 4900 } })
})

t.test('an audit log that cannot be written ends nothing', async t => {
  const { refused, knock } = start(async () => {
    throw new Error('the store is gone')
  })
  knock('192.0.2.1')
  await t.resolves(refused.close())
})
