/** A decision asks the store for what it is about, however much else there is. */

import t from 'tap'
import { createApprovedOf } from '../../../src/access-requests/request-rows.ts'
import { mintPrincipal } from '../../../src/identity/principal.ts'
import { createRoles } from '../../../src/policy/roles.ts'
import { createAccess } from '../../../src/session/access.ts'
import { isRefusal } from '../../../src/shared/errors.ts'
import { createTargets } from '../../../src/targets/targets.ts'
import { countQueries } from '../../support/count-queries.ts'
import { eachStore, stopStores } from '../../support/each-store.ts'
import { role, target } from '../../support/policy-facts.ts'

t.teardown(stopStores)

const clock = { now: () => 1_800_000_000_000 }
const principal = mintPrincipal({
  ...{ user: 'alice', roles: ['ops', 'dev'], sourceAddress: '198.51.100.7' },
  proven: new Set(['publickey', 'totp'] as const),
})
const request = {
  protocol: 'ssh',
  login: { user: 'alice', account: 'root', target: 'web-01' },
  database: undefined,
} as const

eachStore(
  t,
  'a decision reads one target and the roles of one user, whether there are ten or a thousand',
  async (t, { open }) => {
    const { database, during } = countQueries(await open())
    const roles = createRoles({ database, clock })
    const targets = createTargets({ database, clock })
    const approvedOf = createApprovedOf({ database, clock, aheadMs: () => 0 })
    const access = createAccess({ roles, targets, approvedOf, clock, defaults: [['publickey', 'totp']] })
    await roles.putAll([role(), role({ name: 'dev', accounts: { levels: ['basic'] } })])
    await targets.put(target())
    const decide = async () => {
      t.notOk(isRefusal(await access.decide(principal, 'ses_1', request)))
      await access.requirement(principal.roles, request, principal.sourceAddress)
    }
    const before = await during(decide)
    t.same(before, { queries: 6, rows: 6 })
    await roles.putAll(Array.from({ length: 1000 }, (_, index) => role({ name: `role-${index}` })))
    await targets.putAll(Array.from({ length: 1000 }, (_, index) => target({ name: `host-${index}` })))
    t.same(await during(decide), before)
    t.equal((await roles.list()).length, 1002)
    const pages: string[] = []
    for await (const some of targets.pages(400)) pages.push(...some.map(({ name }) => name))
    t.equal(new Set(pages).size, 1001)
    t.equal(
      (await targets.page({ after: pages[499]!, limit: 3 })).map(({ name }) => name).join(),
      pages.slice(500, 503).join(),
    )
  },
)
