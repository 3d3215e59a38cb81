/** Who hears of a rotation: the sessions that have the old credential, also those that it is only a hop of. */

import t from 'tap'
import { tellSessions } from '../../../src/gateway/tell-sessions.ts'
import { createLog } from '../../../src/shared/log.ts'
import { createLeaseRows } from '../../../src/vault/lease-rows.ts'
import { eachStore, stopStores } from '../../support/each-store.ts'
import { standingClock } from '../../support/identity-parts.ts'

t.teardown(stopStores)

const HOP = { account: 'svc', target: 'bastion' }

eachStore(t, 'all sessions that were lent the old one are told, or end, however many', async (t, store) => {
  const database = await store.open()
  const clock = standingClock()
  const leases = createLeaseRows({ database, clock })
  const lease = (
    session: string,
    version: number,
    ended_at: number | null = null,
    check_out: string | null = null,
  ) => ({
    ...{ id: `lea_${session}`, session, user: 'bob', ...HOP, credential_version: version, check_out },
    ...{ started_at: clock.now(), until: clock.now() + 1000, ended_at },
  })
  // None of them has a row as a session on the account: it is on their way.
  const old = Array.from({ length: 1200 }, (_, index) => `ses_${String(index).padStart(4, '0')}`)
  for (let from = 0; from < old.length; from += 100)
    await database
      .insertInto('leases')
      .values(old.slice(from, from + 100).map(id => lease(id, 1)))
      .execute()
  await database
    .insertInto('leases')
    .values([lease('ses_new', 2), lease('ses_over', 1, clock.now()), lease('', 1, null, 'cho_1')])
    .execute()
  const heard: string[] = []
  let broken: string | undefined
  const parts = {
    ...{ database, log: createLog('silent'), vault: { sessionsOn: leases.openOf } },
    live: {
      async kill(id: string, reason?: string) {
        if (id === broken) throw new Error('the cluster is away')
        heard.push(`${id} ${reason}`)
      },
      notify: async (id: string, text: string) => void heard.push(`${id} ${text.slice(0, 44)}`),
    },
  }
  t.equal(await tellSessions(parts, { ...HOP, candidate: 2 }, 'tell'), undefined)
  t.same(
    heard.splice(0).sort(),
    old.map(id => `${id} The credential of svc@bastion was rotated. T`),
  )
  broken = 'ses_0003'
  t.match(await tellSessions(parts, { ...HOP, candidate: 2 }, 'cut'), /the cluster is away/)
  t.same(
    heard.splice(0).sort(),
    old.filter(id => id !== broken).map(id => `${id} credential-rotated`),
    'one that cannot be reached keeps no other alive',
  )
})
