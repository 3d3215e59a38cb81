import fc from 'fast-check'
import t from 'tap'
import { authorize } from '../../../src/policy/authorize.ts'
import { covers } from '../../../src/policy/covers.ts'
import { databaseOf } from '../../../src/policy/databases.ts'
import { explain } from '../../../src/policy/explain.ts'
import type { Grant } from '../../../src/policy/grant.ts'
import { type RoleInput, roleSchema } from '../../../src/policy/role.ts'
import type { PostgresTarget } from '../../../src/protocols/postgres/target.ts'
import { isRefusal } from '../../../src/shared/errors.ts'
import { type TargetInput, targetSchema } from '../../../src/targets/target.ts'
import { facts, role } from '../../support/policy-facts.ts'

type Entry = Partial<Extract<TargetInput, { protocol: 'postgres' }>>

const orders = (entry: Entry = {}) =>
  targetSchema.parse({
    name: 'orders',
    protocol: 'postgres',
    host: 'db',
    accounts: [{ name: 'dba' }],
    ...entry,
  }) as PostgresTarget

/** What alice, of this role, asks for on this target. */
function asking(database: string | undefined, entry: Entry = {}, input: Partial<RoleInput> = {}) {
  const clerk = role({ targets: { names: ['orders'] }, accounts: { names: ['dba'] }, ...input })
  const asked = facts({ login: 'dba@orders', protocol: 'postgres', roles: [clerk], target: orders(entry) })
  return { ...asked, request: { ...asked.request, ...(database === undefined ? {} : { database }) } }
}

const opened = (...wish: Parameters<typeof asking>) => {
  const decision = authorize(asking(...wish))
  return isRefusal(decision) ? undefined : (decision as Grant).database
}

t.test('without lists the own database of the target is open, and nothing else', async t => {
  t.equal(opened(undefined), 'postgres')
  t.equal(opened('postgres'), 'postgres')
  t.equal(opened(undefined, { database: 'shop' }), 'shop')
  t.equal(opened('postgres', { database: 'shop' }), undefined)
  t.equal(opened('shop', { database: 'shop*' }), undefined, 'the own database is a name and no pattern')
  t.equal(opened(undefined, { database: '' }), 'postgres', 'as early versions stored it')
})

t.test('role and target must both open a database', async t => {
  const wide = { databases: ['*'] }
  const reports = { database: 'shop', databases: ['shop', 'report_*'] }
  t.equal(opened('report_1', reports, { databases: ['report_*'] }), 'report_1')
  t.equal(opened('report_1', reports, wide), 'report_1')
  t.equal(opened('report_1', reports), undefined)
  t.equal(opened('report_1', { database: 'shop' }, wide), undefined)
  t.equal(opened('other', reports, wide), undefined)
  t.equal(opened('other', wide, { databases: ['shop'] }), undefined)
  t.equal(opened(undefined, reports, { databases: ['report_*'] }), undefined, 'the own one too')
})

t.test('a name is compared as the server will read it: cut at 63 bytes, whole characters only', async t => {
  t.equal(databaseOf('a'.repeat(70), orders()), 'a'.repeat(63))
  t.equal(databaseOf('é'.repeat(40), orders()), 'é'.repeat(31))
  t.equal(databaseOf('😀'.repeat(20), orders()), '😀'.repeat(15))
  t.equal(databaseOf(undefined, orders({ database: 'b'.repeat(70) })), 'b'.repeat(63))
})

t.test('whatever is asked for, what a grant has is a whole name that role and target open', t => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 90 }), name => {
      const granted = opened(name, { databases: ['*'] }, { databases: ['shop', 'report_*'] })
      if (granted === undefined) return
      t.ok(granted === 'shop' || granted.startsWith('report_'))
      t.ok(Buffer.byteLength(granted) <= 63 && name.startsWith(granted))
    }),
    { examples: [['shop'], ['shop '], ['report_'], [`report_${'x'.repeat(80)}`]] },
  )
  t.end()
})

t.test('replication is given by a role and a target that open everything, and by no other', async t => {
  const channels = ['sql' as const, 'replication' as const]
  const replicates = (entry: Entry, input: Partial<RoleInput>) =>
    (authorize(asking(undefined, entry, { channels, ...input })) as Grant).allows('replication')
  t.equal(replicates({ databases: ['*'] }, { databases: ['*'] }), true)
  t.equal(replicates({ databases: ['postgres', '*'] }, { databases: ['p*', '*'] }), true)
  t.equal(replicates({}, {}), false)
  t.equal(replicates({ databases: ['*'] }, {}), false)
  t.equal(replicates({}, { databases: ['*'] }), false)
  t.equal(replicates({ databases: ['*'] }, { databases: ['p*'] }), false)
})

t.test('a role that opens another database adds neither channels nor limits', async t => {
  const common = { targets: { names: ['orders'] }, accounts: { names: ['dba'] } }
  const roles = [
    role({ ...common, name: 'shop', databases: ['shop'] }),
    role({ ...common, name: 'rest', databases: ['*'], channels: ['sql', 'replication'], idle: '1m' }),
  ]
  const held = (database: string) => {
    const asked = asking(database, { databases: ['*'] })
    return authorize({ ...asked, roles, principal: facts({ roles }).principal }) as Grant
  }
  t.match(held('shop'), { role: 'shop,rest', idleMs: 60_000 })
  t.match(held('other'), { role: 'rest', idleMs: 60_000 })
  t.equal(
    (
      authorize({
        ...asking('shop', { databases: ['*'] }),
        roles: roles.slice(0, 1),
        principal: facts({ roles }).principal,
      }) as Grant
    ).role,
    'shop',
  )
})

t.test('a session is not covered by a grant for another database, nor by one that lost replication', async t => {
  const grant = (...wish: Parameters<typeof asking>) => authorize(asking(...wish)) as Grant
  const all = { databases: ['*'] }
  t.ok(covers(grant('shop', all, { databases: ['shop'] }), grant('shop', all, all)))
  t.notOk(covers(grant(undefined, { database: 'b' }), grant(undefined, { database: 'a' })))
  const channels = ['sql' as const, 'replication' as const]
  t.notOk(covers(grant('shop', all, { channels, databases: ['s*'] }), grant('shop', all, { channels, ...all })))
})

t.test('explain says which databases a role and the target open, and what replication lacks', async t => {
  const user = { name: 'alice', disabled: false }
  const databases = (...wish: Parameters<typeof asking>) => {
    const explanation = explain({ ...asking(...wish), user })
    return { ...explanation, why: explanation.roles[0]!.conditions.find(({ name }) => name === 'databases')!.why }
  }
  t.match(databases(undefined, { database: 'shop' }), { allowed: true, given: { database: 'shop' } })
  t.match(databases('other', { databases: ['shop', 'r*'] }, { databases: ['r*'], channels: ['sql', 'replication'] }), {
    allowed: false,
    verdict: 'No: no role of the user allows dba@orders, database "other".',
    why: 'r* (orders opens shop, r*); replication needs "*" in both',
  })
  t.equal(databases('other').why, "the target's own (orders opens its own, postgres)")
})

t.test('what cannot be the name of a database is refused where it is written', async t => {
  for (const databases of [[], [''], ['a\0b'], ['a\nb'], ['x'.repeat(64)], ['é'.repeat(32)]]) {
    t.notOk(roleSchema.safeParse({ ...role(), databases }).success, JSON.stringify(databases))
  }
  t.ok(roleSchema.safeParse({ ...role(), databases: ['x'.repeat(63), 'Groß "Ä" *', '*'] }).success)
})
