/** Events in the outbox are stored with the change that they tell of, and get into the chain once, in their order. */

import t from 'tap'
import { createAuditLog } from '../../../src/audit/audit-log.ts'
import { createOutbox } from '../../../src/audit/chain/outbox.ts'
import { systemClock as clock } from '../../../src/shared/clock.ts'
import { eachStore, type Store, stopStores } from '../../support/each-store.ts'
import { testSigner } from '../../support/test-signer.ts'

t.teardown(stopStores)
const signer = testSigner()

async function gatewayOn(store: Store, gateway: string) {
  const database = await store.open()
  const audit = createAuditLog({ database, signer, gateway, clock })
  return { database, audit, outbox: createOutbox({ database, gateway, clock }) }
}
type Gateway = Awaited<ReturnType<typeof gatewayOn>>

const put = ({ outbox }: Gateway, ...actors: string[]) =>
  outbox.change(async (_on, tell) => {
    for (const actor of actors) tell({ kind: 'session.ended', actor })
  })

const chain = async ({ audit }: Gateway) => (await audit.list({ after: 0, limit: 1000 })).map(({ actor }) => actor)

eachStore(t, 'a change that fails tells nothing', async (t, store) => {
  const one = await gatewayOn(store, 'gw_one')
  await t.rejects(
    one.outbox.change(async (_on, tell) => {
      tell({ kind: 'session.ended', actor: 'alice' })
      throw new Error('no')
    }),
  )
  await one.audit.flush()
  t.same(await chain(one), [])
})

eachStore(t, 'many at once get into the chain once and in order, whoever appends them', async (t, store) => {
  const one = await gatewayOn(store, 'gw_one')
  const other = await gatewayOn(store, 'gw_two')
  const wanted: string[] = []
  for (let i = 0; i < 30; i++) {
    const batch = Array.from({ length: 10 }, (_, place) => `a${i}-${place}`)
    wanted.push(...batch)
    await put(one, ...batch)
  }
  const nobody = new Set<string>()
  await Promise.all([one.audit.flush(), other.audit.flush(nobody), one.audit.flush(), other.audit.flush(nobody)])
  t.same(await chain(one), wanted, 'more than one batch of them')
  t.match(await one.audit.verify(), { ok: true, events: 300 })
  t.same(await one.database.selectFrom('audit_outbox').selectAll().execute(), [])
})

eachStore(
  t,
  'what a gateway left is appended by another, and what a living one has is left to it',
  async (t, store) => {
    const dead = await gatewayOn(store, 'gw_dead')
    const busy = await gatewayOn(store, 'gw_busy')
    const mine = await gatewayOn(store, 'gw_mine')
    await put(dead, 'left')
    await put(busy, 'waiting')
    await mine.audit.flush(new Set(['gw_mine', 'gw_busy']))
    t.same(await chain(mine), ['left'])
    const [event] = await mine.audit.list({ limit: 1 })
    t.equal(event!.gateway, 'gw_dead')
    await busy.audit.flush()
    t.same(await chain(mine), ['left', 'waiting'])
  },
)

eachStore(t, 'while the chain cannot be written the events wait', async (t, store) => {
  const one = await gatewayOn(store, 'gw_one')
  await put(one, 'alice')
  await one.database.schema.alterTable('audit_head').renameTo('audit_head_gone').execute()
  await t.rejects(one.audit.flush(), { code: 'AUDIT_UNAVAILABLE' })
  await one.database.schema.alterTable('audit_head_gone').renameTo('audit_head').execute()
  await one.audit.flush()
  t.same(await chain(one), ['alice'])
})
