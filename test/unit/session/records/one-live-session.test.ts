import t from 'tap'
import { createOutbox } from '../../../../src/audit/chain/outbox.ts'
import { type Grant, mintGrant } from '../../../../src/policy/grant.ts'
import { demandOneLive, untilEarlierEnded } from '../../../../src/session/records/one-live-session.ts'
import { createSessionStore } from '../../../../src/session/records/session-store.ts'
import { GatewayError } from '../../../../src/shared/errors.ts'
import { eachStore, type Store, stopStores } from '../../../support/each-store.ts'
import { grantFor, standingClock } from '../../../support/identity-parts.ts'

t.teardown(stopStores)

const clock = standingClock()

function grant(terms: { session: string; user?: string; role?: string; oneLiveOf?: string[] }): Grant {
  return mintGrant({
    ...grantFor({ endsAt: clock.now() + 1000 }).terms,
    role: 'admins',
    oneLiveOf: ['admins'],
    ...terms,
  })
}

/** A gateway on the store: what begins, and ends, sessions there. */
async function gatewayOn(store: Store, gateway: string) {
  const database = await store.open()
  const sessions = createSessionStore({ database, clock, gateway })
  const outbox = createOutbox({ database, gateway, clock })
  return {
    sessions,
    begin: (wanted: Grant) =>
      outbox
        .change(async on => {
          await demandOneLive(sessions, wanted, on)
          await sessions.open(wanted, '192.0.2.1', 'file', {}, on)
          return 'begun'
        })
        .catch(error => (error instanceof GatewayError ? error.code : Promise.reject(error))),
  }
}

eachStore(t, 'of logins at one instant at two gateways one begins', async (t, store) => {
  const gateways = await Promise.all(['gw_1', 'gw_2'].map(name => gatewayOn(store, name)))
  for (let round = 0; round < 10; round++) {
    const wanted = Array.from({ length: 6 }, (_, index) => grant({ session: `ses_${round}_${index}` }))
    const said = await Promise.all(wanted.map((one, index) => gateways[index % 2]!.begin(one)))
    t.equal(said.filter(one => one === 'begun').length, 1, `${said}`)
    t.equal(said.filter(one => one === 'SESSION_ALREADY_LIVE').length, 5)
    const [live] = await gateways[0]!.sessions.liveOf('alice')
    await gateways[0]!.sessions.end(live!.id, { reason: 'client-closed' })
  }
})

eachStore(t, 'it is of one user and one role', async (t, store) => {
  const { begin, sessions } = await gatewayOn(store, 'gw_1')
  t.equal(await begin(grant({ session: 'ses_1', role: 'readers,admins' })), 'begun')
  t.equal(await begin(grant({ session: 'ses_2', user: 'bob' })), 'begun')
  t.equal(await begin(grant({ session: 'ses_3', role: 'readers', oneLiveOf: [] })), 'begun')
  t.equal(await begin(grant({ session: 'ses_4', role: 'admin', oneLiveOf: ['admin'] })), 'begun', 'no part of a name')
  t.equal(await begin(grant({ session: 'ses_5', role: 'admins' })), 'SESSION_ALREADY_LIVE')
  await sessions.end('ses_1', { reason: 'interrupted' })
  t.equal(await begin(grant({ session: 'ses_6', role: 'admins' })), 'begun')
})

eachStore(t, 'one that is being ended is waited for', async (t, store) => {
  const { begin, sessions } = await gatewayOn(store, 'gw_1')
  await begin(grant({ session: 'ses_1' }))
  const next = grant({ session: 'ses_2' })
  let looked = 0
  await untilEarlierEnded(
    {
      takeTurn: sessions.takeTurn,
      async liveOf(user) {
        if (++looked === 3) await sessions.end('ses_1', { reason: 'client-closed' })
        return sessions.liveOf(user)
      },
    },
    next,
  )
  t.equal(looked, 3)
  t.equal(await begin(next), 'begun')
})
