/** Recorded sessions are read page by page, and decided under files that nobody has applied. */

import t from 'tap'
import { createApprovedThen } from '../../../src/access-requests/request-rows.ts'
import { applyResources, propose } from '../../../src/resources/apply.ts'
import { simulate } from '../../../src/resources/simulate.ts'
import { openStores } from '../../../src/resources/stores.ts'
import { createSessionStore } from '../../../src/session/records/session-store.ts'
import { countQueries } from '../../support/count-queries.ts'
import { eachStore, stopStores } from '../../support/each-store.ts'

t.teardown(stopStores)

const NOW = Date.parse('2026-11-18T12:00:00Z')
const MINUTE = 60_000
const ROLES = `
- { kind: role, name: ops, targets: { names: [web-*] }, accounts: { levels: [admin] } }
- { kind: role, name: dev, targets: { names: [web-*] }, accounts: { levels: [basic] } }
`
const FILES = `${ROLES}
- { kind: user, name: alice, roles: [ops, dev] }
- { kind: user, name: bob, roles: [dev] }
- { kind: target, name: web-01, protocol: ssh, host: 192.0.2.1, accounts: [{ name: root, level: admin }, { name: www }] }
`

eachStore(t, 'of a thousand sessions and more those are found that would have been refused', async (t, { open }) => {
  const { database, during } = countQueries(await open())
  const clock = { now: () => NOW }
  const parts = { database, clock, connectors: new Map<string, never>() }
  await applyResources([{ name: 'f.yaml', text: FILES }], parts)
  const sessions = createSessionStore({ database, clock, gateway: 'gw_test' })
  const row = (index: number) => ({
    ...{
      id: `ses_${String(index).padStart(26, '0')}`,
      gateway: 'gw_test',
      protocol: 'ssh',
      state: 'ended',
      request: null,
    },
    ...{ user: index % 2 === 0 ? 'alice' : 'bob', account: index % 100 === 0 ? 'root' : 'www', target: 'web-01' },
    ...{ role: index % 100 === 0 ? 'ops' : 'dev', source: '198.51.100.7', end_reason: 'client-closed', details: '{}' },
    ...{ started_at: NOW - index * MINUTE, ended_at: NOW - index * MINUTE + 1000 },
    ...{ recording: `${index}.rec`, recording_hash: null, recording_bytes: 0 },
  })
  const rows = Array.from({ length: 1200 }, (_, index) => row(index))
  rows[1100] = { ...rows[1100]!, user: 'carol' }
  rows[7] = { ...rows[7]!, request: 'req_gone' } as never
  for (let at = 0; at < rows.length; at += 400)
    await database
      .insertInto('sessions')
      .values(rows.slice(at, at + 400))
      .execute()

  const simulated = async (text: string, options = {}) => {
    const proposal = await propose([{ name: 'new.yaml', text }], parts)
    const found = {
      stores: openStores(parts),
      sessions,
      approvedThen: createApprovedThen({ database }),
      defaults: [['publickey']] as const,
    }
    return simulate(proposal, found, { since: 0, until: NOW + 1, limit: 100, ...options })
  }
  const withoutAdmin = ROLES.replace('levels: [admin]', 'levels: [system]')
  const tried = await simulated(withoutAdmin)
  t.equal(tried.sessions, 1200)
  // Of bob's nothing is touched; of alice's the twelve on root, and carol's, who is gone.
  t.match(tried.counts, { untouched: 600, refused: 12, allowed: 588, 'not-known': 0 })
  t.equal(tried.assumed, 1)
  t.same(tried.listed.map(({ session: { user } }) => user).at(-1), 'carol')
  t.ok(
    tried.listed.every(
      ({ outcome }) => outcome.is === 'refused' && outcome.why() === 'no role of the user allows root@web-01',
    ),
  )
  t.equal((await simulated(withoutAdmin, { limit: 3 })).listed.length, 3)
  t.equal((await simulated(withoutAdmin, { since: NOW - 250 * MINUTE, until: NOW - 50 * MINUTE })).counts.refused, 2)
  t.match((await simulated(ROLES)).counts, { untouched: 1200 }, 'what is as it was touches nothing')
  const nobody = await simulated(ROLES.replace('levels: [basic]', 'names: [nobody]'))
  t.match(nobody.counts, { refused: 1187, allowed: 11, untouched: 1, 'not-known': 1 })
  const asked = await during(() => simulated(withoutAdmin))
  t.ok(asked.queries < 12, `${asked.queries} queries`)
  t.equal((await openStores(parts).role.list()).length, 2)
  t.match(await openStores(parts).role.get('ops'), { accounts: { levels: ['admin'] } }, 'nothing was changed')
})
