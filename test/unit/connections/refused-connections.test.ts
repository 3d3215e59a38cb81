/** Connections that never came to a login are audited, and nobody waits for that. */

import t from 'tap'
import type { AuditEvent } from '../../../src/audit/event.ts'
import { createRefusedConnections } from '../../../src/connections/refused-connections.ts'
import { createLog } from '../../../src/shared/log.ts'

t.test('each is told with what is known of it', async t => {
  const events: AuditEvent[] = []
  const audit = { append: async (event: AuditEvent) => void events.push(event) }
  const refused = createRefusedConnections({ audit, log: createLog('silent') })
  refused.record({ protocol: 'postgres', source: '192.0.2.2', code: 'TLS_REQUIRED', why: 'plain', session: 'ses_1' })
  await refused.close()
  t.same(events, [
    {
      kind: 'connection.refused',
      actor: 'unknown',
      session: 'ses_1',
      data: { protocol: 'postgres', source: '192.0.2.2', code: 'TLS_REQUIRED', why: 'plain' },
    },
  ])
})

t.test('an audit log that cannot be written ends nothing', async t => {
  const audit = { append: () => Promise.reject(new Error('the store is gone')) }
  const refused = createRefusedConnections({ audit, log: createLog('silent') })
  refused.record({ protocol: 'ssh', source: '192.0.2.1', code: 'TOO_MANY_CONNECTIONS', why: 'from one source' })
  await t.resolves(refused.close())
})
