/** Stopping waits for whoever is at the door too: their end is written down before the store closes. */

import { join } from 'node:path'
import t from 'tap'
import type { AuditEvent } from '../../../src/audit/event.ts'
import { openDatabase } from '../../../src/database/database.ts'
import { createSessionAudit } from '../../../src/session/records/session-audit.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { psql } from '../../support/psql.ts'
import { startTestGateway } from '../../support/start-gateway.ts'

t.test('a database login that is under way when the gateway stops is refused, and the audit log has it', async t => {
  const gateway = await startTestGateway({
    configure(config) {
      config.database = `sqlite:${join(config.dataFolder, 'store.db')}`
    },
  })
  t.teardown(() => gateway.close())
  await gateway.addRole({ name: 'ops', targets: { names: ['orders'] }, accounts: { names: ['dba'] } })
  await gateway.addTarget(
    { name: 'orders', protocol: 'postgres', host: '127.0.0.1', accounts: [{ name: 'dba' }] },
    { dba: { kind: 'password', password: new Secret('never used') } },
  )
  const alice = await gateway.addUser({ name: 'alice', roles: ['ops'] })

  // The audit log answers only when the gateway has closed its ports.
  const { parts } = gateway
  const { audit } = parts
  const told = Promise.withResolvers<void>()
  let stopped: Promise<void> | undefined
  const withStop = createSessionAudit({
    async append(event: AuditEvent) {
      if (event.kind === 'login.accepted') {
        stopped = gateway.stop()
        told.resolve()
        await client
      }
      return audit.append(event)
    },
  })
  Object.assign(parts.sessionAudit, withStop)
  const { host, port } = gateway.postgres!
  const client = psql(
    `host=${host} port=${port} user=alice+dba+orders dbname=postgres sslmode=require`,
    `${alice.password}${alice.code()}`,
    ['select 1'],
  )
  await told.promise
  await stopped
  t.not((await client).code, 0)

  const store = await openDatabase(gateway.config.database)
  t.teardown(() => store.destroy())
  const events = await store.selectFrom('audit_events').select(['kind', 'data']).orderBy('seq').execute()
  const kinds = events.map(event => event.kind)
  t.ok(kinds.includes('login.accepted'))
  t.match(JSON.parse(events.find(event => event.kind === 'session.refused')?.data ?? '{}'), {
    code: 'GATEWAY_STOPPING',
  })
})
