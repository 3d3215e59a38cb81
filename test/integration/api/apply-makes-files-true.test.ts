import t, { type Test } from 'tap'
import { type Database, openDatabase } from '../../../src/database/database.ts'
import { userSchema } from '../../../src/identity/user.ts'
import { type ApplyOptions, applyResources, carryOut, propose } from '../../../src/resources/apply.ts'
import { formatPlan } from '../../../src/resources/format-plan.ts'
import { openStores } from '../../../src/resources/stores.ts'
import type { KnownConnector } from '../../../src/resources/unfit-policies.ts'
import { countQueries } from '../../support/count-queries.ts'
import { startPostgres } from '../../support/start-postgres.ts'

const clock = { now: () => 1_800_000_000_000 }

const FILES = {
  targets: `
kind: target
name: web-01
protocol: ssh
host: 192.0.2.1
labels: { env: production }
accounts: [{ name: root, level: admin }, { name: www, default: true }]
hostKeys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl]
---
{ kind: target, name: orders, protocol: postgres, host: db.example.com }
`,
  roles: `
- { kind: role, name: ops, targets: { names: [web-*] }, accounts: { levels: [admin] }, idle: 10m }
- { kind: role, name: dev, targets: { names: [web-*] }, accounts: { levels: [basic] } }
`,
  users: `
- { kind: user, name: alice, roles: [ops, dev] }
- { kind: user, name: bob, roles: [dev] }
`,
}

type Texts = Partial<typeof FILES & { policies: string; templates: string }>

const connectors = new Map<string, KnownConnector>([
  ['ssh-password', { protocol: 'ssh' }],
  ['postgres-role', { protocol: 'postgres' }],
  ['appliance', { connectorOf: ['*@web-*'] }],
  ['billing', { connectorOf: ['app@billing', 'www@web-*'] }],
  ['nobodys', { connectorOf: [] }],
])

function on(database: Database) {
  return {
    stores: openStores({ database, clock }),
    apply: (texts: Texts, options?: ApplyOptions) =>
      applyResources(
        Object.entries(texts).map(([name, text]) => ({ name: `${name}.yaml`, text })),
        { database, clock, connectors },
        options,
      ),
  }
}

const summary = (plan: Awaited<ReturnType<typeof applyResources>>) =>
  plan.changes.map(({ action, kind, name }) => `${action} ${kind} ${name}`)

async function promises(t: Test, open: (t: Test) => Promise<Database>) {
  t.test('users of another source are neither changed nor deleted, nor is a role that they hold', async t => {
    const { apply, stores } = on(await open(t))
    await apply(FILES)
    const carol = userSchema.parse({ name: 'carol', roles: ['dev'], source: 'directory' })
    await stores.user.put(carol)
    const before = await stores.user.list()
    await t.rejects(apply({ users: '{ kind: user, name: carol, roles: [ops] }' }), {
      code: 'RESOURCE_INVALID',
      message: /users\.yaml:1:21: The user carol comes from directory/,
    })
    await t.rejects(apply({ users: '{ kind: user, name: dave, source: directory }' }), {
      message: /source is not known/,
    })
    t.same((await apply({ users: FILES.users })).unmanaged, [])
    t.strictSame(summary(await apply({ users: FILES.users }, { prune: true })), [])
    t.strictSame(await stores.user.list(), before)
    const withoutDev = {
      roles: FILES.roles.split('\n').slice(0, 2).join('\n'),
      users: '{ kind: user, name: alice, roles: [ops] }',
    }
    await t.rejects(apply(withoutDev, { prune: true }), {
      message: /carol still has it: take it from them in directory first/,
    })
    t.strictSame(await stores.user.get('carol'), carol)
  })

  t.test('files become true, and a second time there is nothing to change', async t => {
    const { apply, stores } = on(await open(t))
    const first = await apply(FILES)
    t.strictSame(summary(first), [
      'create role ops',
      'create role dev',
      'create target web-01',
      'create target orders',
      'create user alice',
      'create user bob',
    ])
    t.match(await stores.role.get('ops'), { idle: 600_000, maxSession: 43_200_000 })
    t.match(await stores.user.get('alice'), { roles: ['ops', 'dev'], disabled: false })
    const second = await apply(FILES)
    t.match(second, { changes: [], unchanged: 6, unmanaged: [], withdrawnUsers: [] })
    t.strictSame(formatPlan(second), ['Nothing to change: 6 resources are as the files say.'])
  })

  t.test('a rotation policy is applied, compared and pruned like all else', async t => {
    const { apply, stores } = on(await open(t))
    await apply(FILES)
    const policy = (rest = '') =>
      `{ kind: rotation-policy, name: p, targets: { names: [web-*] }, accounts: { names: [www] }${rest} }`
    t.strictSame(summary(await apply({ policies: policy(', every: 30d, reconcile: root, connector: ssh-password') })), [
      'create rotation-policy p',
    ])
    t.match(await stores['rotation-policy'].get('p'), { every: 2_592_000_000, reconcile: 'root' })
    const changed = await apply({ policies: policy(', every: 12h, retention: { for: 90d }') })
    t.strictSame(formatPlan(changed), [
      '~ rotation-policy p',
      '    ~ every: 30d → 12h',
      '    - connector: ssh-password',
      '    - reconcile: root',
      '    + retention.for: 90d',
      '0 new, 1 changed, 0 deleted, 0 unchanged.',
    ])
    t.match(await apply({ policies: policy(', every: 12h, retention: { for: 90d }') }), { changes: [], unchanged: 1 })
    const pruned = await apply({ policies: policy().replace('name: p', 'name: q') }, { prune: true })
    t.strictSame(summary(pruned), ['create rotation-policy q', 'delete rotation-policy p'])
  })

  t.test('a request template is applied, compared, renamed and pruned like all else', async t => {
    const { apply, stores } = on(await open(t))
    await apply(FILES)
    const template = (ask: string, name = 'incident') => ({
      templates: `{ kind: request-template, name: ${name}, ask: { level: admin, ${ask} } }`,
    })
    t.strictSame(summary(await apply(template('targets: { names: [web-*] }, for: 2h, role: ops'))), [
      'create request-template incident',
    ])
    t.match(await stores['request-template'].get('incident'), { ask: { for: 7_200_000, role: 'ops' } })
    const less = template('targets: { labels: { env: production } }, for: 30m')
    t.strictSame(formatPlan(await apply(less)), [
      '~ request-template incident',
      '    - ask.targets.names: web-*',
      '    - ask.role: ops',
      '    ~ ask.for: 2h → 30m',
      '    + ask.targets.labels.env: production',
      '0 new, 1 changed, 0 deleted, 0 unchanged.',
    ])
    t.match(await apply(less), { changes: [], unchanged: 1 })
    await t.rejects(apply(template('role: opps')), {
      code: 'RESOURCE_INVALID',
      message: /templates\.yaml:1:\d+: There is no role opps; did you mean ops\?/,
    })
    await t.rejects(apply(template('target: web-1')), {
      code: 'RESOURCE_INVALID',
      message: /templates\.yaml:1:\d+: There is no target web-1; did you mean web-01\?/,
    })
    const both = { ...template('target: web-02'), targets: FILES.targets.replace('web-01', 'web-02') }
    t.strictSame(summary(await apply(both, { dryRun: true })), [
      'create target web-02',
      'update request-template incident',
    ])
    const renamed = await apply(template('for: 30m', 'fire'), { prune: true })
    t.strictSame(summary(renamed), ['create request-template fire', 'delete request-template incident'])
  })

  t.test('a rotation policy that does not fit its targets is refused, where it is written', async t => {
    const { apply } = on(await open(t))
    await apply(FILES)
    const policy = (rest: string, name = 'p') => `{ kind: rotation-policy, name: ${name}, ${rest} }`
    const web = 'targets: { names: [web-*] }'
    const refused: [string, RegExp][] = [
      [
        `${web}, connector: ssh-pasword`,
        /policies\.yaml:1:\d+: There is no connector ssh-pasword; did you mean ssh-password\? \(appliance, billing, nobodys, postgres-role, ssh-password\)/,
      ],
      [
        `${web}, connector: postgres-role`,
        /It selects root@web-01, and postgres-role changes credentials of postgres targets alone/,
      ],
      [
        `${web}, connector: billing`,
        /It has billing told the credential of root@web-01, for which .* \(rotation\.programs\.billing\.connectorOf\)/,
      ],
      [`${web}, connector: nobodys`, /It has nobodys told the credential of root@web-01/],
      [
        `${web}, accounts: { names: [www] }, connector: billing, reconcile: root`,
        /It has billing told the credential of root@web-01/,
      ],
      [`${web}, reconcile: rot`, /None of its targets has an account rot; web-01 has root, www\. Did you mean root\?/],
      [`${web}, reconcile: root`, /It selects root@web-01, which cannot mend itself: give root a policy of its own/],
    ]
    for (const [text, message] of refused) {
      await t.rejects(apply({ policies: policy(text) }), { code: 'RESOURCE_INVALID', message })
    }
    for (const fits of ['connector: appliance', 'accounts: { names: [www] }, connector: billing'])
      t.equal((await apply({ policies: policy(`${web}, ${fits}`) })).changes.length, 1, fits)
    const first = policy(`${web}, accounts: { names: [root] }`, 'a-root')
    await apply({ policies: `- ${first}\n- ${policy(`${web}, reconcile: root`)}` })
    // The target loses the account that mends the others.
    await t.rejects(apply({ targets: FILES.targets.replace('{ name: root, level: admin }, ', '') }), {
      message: /targets\.yaml:\d+:\d+: The rotation-policy p: None of its targets has an account root; web-01 has www/,
    })
  })

  t.test('many resources cost the store hardly more than few, and what another applied meanwhile counts', async t => {
    const { database, during } = countQueries(await open(t))
    const { apply, stores } = on(database)
    await apply({ roles: FILES.roles })
    const users = (count: number) =>
      Array.from({ length: count }, (_, index) => `- { kind: user, name: user-${index}, roles: [dev] }`).join('\n')
    const few = await during(() => apply({ users: users(1) }))
    const many = await during(() => apply({ users: users(400) }))
    t.equal(many.queries, few.queries)
    t.equal((await stores.user.list()).length, 400)
    const gone = await during(() => apply({ users: users(1) }, { prune: true }))
    t.ok(gone.queries < few.queries + 15, `${gone.queries}`)
    t.equal((await stores.user.list()).length, 1)

    // Planned first, carried out after somebody else was there.
    const files = [{ name: 'u.yaml', text: '{ kind: user, name: user-0, roles: [ops] }' }]
    const parts = { database, clock, connectors }
    const proposal = await propose(files, parts)
    t.match(formatPlan(proposal.planned.plan)[1], /- roles: dev/)
    await apply({ users: '{ kind: user, name: user-0, fullName: Somebody, roles: [] }' })
    t.strictSame(formatPlan(await carryOut(proposal, parts)), [
      '~ user user-0',
      '    - fullName: Somebody',
      '    + roles: ops',
      '0 new, 1 changed, 0 deleted, 0 unchanged.',
    ])
    const stale = await propose(files, parts)
    await stores.user.remove('user-0')
    await stores.role.remove('ops')
    await t.rejects(carryOut(stale, parts), { code: 'RESOURCE_INVALID', message: /There is no role ops/ })
    t.strictSame(await stores.user.list(), [])
  })

  t.test('a dry run says the same and changes nothing', async t => {
    const { apply, stores } = on(await open(t))
    const dry = await apply(FILES, { dryRun: true })
    t.strictSame(await stores.user.list(), [])
    t.strictSame(await apply(FILES), dry)
  })

  t.test('the diff says what changed, field by field', async t => {
    const { apply } = on(await open(t))
    await apply(FILES)
    const plan = await apply({
      targets: FILES.targets
        .replace('192.0.2.1', '192.0.2.2')
        .replace('level: admin', 'level: system')
        .replace(', { name: www, default: true }', ''),
      roles: FILES.roles.replace(', idle: 10m', ', maxSession: 90m'),
      users: FILES.users.replace('roles: [ops, dev]', 'roles: [ops], fullName: "A\\e[2J\\u202e"'),
    })
    t.strictSame(formatPlan(plan), [
      '~ role ops',
      '    ~ maxSession: 12h → 90m',
      '    - idle: 10m',
      '~ target web-01',
      '    ~ host: 192.0.2.1 → 192.0.2.2',
      '    ~ accounts.root.level: admin → system',
      '    - accounts.www.level: basic',
      '    - accounts.www.default: true',
      '~ user alice',
      '    - roles: dev',
      '    + fullName: A [2J⟨U+202E⟩',
      '0 new, 3 changed, 0 deleted, 3 unchanged.',
    ])
  })

  t.test('where any file is wrong, nothing at all is applied', async t => {
    const { apply, stores } = on(await open(t))
    const unknownRole = { ...FILES, users: FILES.users.replace('roles: [dev]', 'roles: [deb]') }
    await t.rejects(apply(unknownRole), {
      code: 'RESOURCE_INVALID',
      message: 'users.yaml:3:36: There is no role deb; did you mean dev? Describe the role in one of the files first.',
    })
    await t.rejects(apply({ ...FILES, users: FILES.users.replace('roles: [dev]', 'roles: [auditing]') }), {
      message: /There is no role auditing\. Describe the role/,
    })
    await t.rejects(apply({ ...FILES, roles: 'kind: role' }), {
      code: 'RESOURCE_INVALID',
      message: /^roles\.yaml:1:1: /,
    })
    for (const kind of ['role', 'target', 'user'] as const) t.strictSame(await stores[kind].list(), [], kind)
  })

  t.test('a role may be in the store already, and an empty factor list never gets there (warpgate#129)', async t => {
    const { apply } = on(await open(t))
    await apply({ roles: FILES.roles })
    t.strictSame(summary(await apply({ users: FILES.users })), ['create user alice', 'create user bob'])
    const empty = FILES.roles.replace('idle: 10m', 'factors: [[]]')
    await t.rejects(apply({ roles: empty }), {
      code: 'RESOURCE_INVALID',
      message: /factors\[0\]: the list must not be empty/,
    })
  })

  t.test('what no file speaks of is kept and named, and deleted with prune', async t => {
    const database = await open(t)
    const { apply, stores } = on(database)
    await apply(FILES)
    await database
      .insertInto('factors')
      .values({ user: 'bob', kind: 'password', value: 'x', last_step: 0, updated_at: 1 })
      .execute()
    const users = '{ kind: user, name: alice, roles: [ops, dev] }'
    const kept = await apply({ users })
    t.match(kept, { changes: [], unmanaged: [{ kind: 'user', name: 'bob' }], withdrawnUsers: [] })
    t.match(formatPlan(kept)[0], /Kept, though no file speaks of them \(--prune deletes them\): user bob/)
    const pruned = await apply({ users }, { prune: true })
    t.strictSame(summary(pruned), ['delete user bob'])
    t.strictSame(pruned.withdrawnUsers, ['bob'], 'their sessions must end')
    t.equal(await stores.user.get('bob'), undefined)
    t.strictSame(await database.selectFrom('factors').selectAll().execute(), [], 'and their factors are gone')
    t.equal((await stores.role.list()).length, 2, 'kinds that no file has are left alone')
  })

  t.test('a role that somebody still holds is not pruned', async t => {
    const { apply, stores } = on(await open(t))
    await apply(FILES)
    const roles = FILES.roles
      .split('\n')
      .filter(line => !line.includes('name: dev'))
      .join('\n')
    await t.rejects(apply({ roles }, { prune: true }), {
      code: 'RESOURCE_INVALID',
      message: /The role dev would be removed, and the user alice still has it/,
    })
    t.ok(await stores.role.get('dev'))
    const users = FILES.users.replaceAll(', dev', '').replaceAll('[dev]', '[]')
    t.strictSame(summary(await apply({ roles, users }, { prune: true })), [
      'update user alice',
      'update user bob',
      'delete role dev',
    ])
  })

  t.test('host keys that were learnt stay, until the file says which or the address changes', async t => {
    const { apply, stores } = on(await open(t))
    const silent = FILES.targets.replace(/^hostKeys: .*\n/m, '')
    await apply({ targets: silent })
    const hostKeys = FILES.targets.match(/ssh-ed25519 \w+/)!.slice(0, 1)
    const web = (await stores.target.get('web-01'))!
    await stores.target.put({ ...web, hostKeys } as typeof web)
    t.strictSame(summary(await apply({ targets: silent })), [])
    t.strictSame(summary(await apply({ targets: silent.replace('level: admin', 'level: power') })), [
      'update target web-01',
    ])
    t.match(await stores.target.get('web-01'), { hostKeys })
    const moved = await apply({ targets: silent.replace('192.0.2.1', '192.0.2.2') })
    t.match(formatPlan(moved).join('\n'), /- hostKeys: ssh-ed25519/, 'another address is another host')
    await stores.target.put({ ...web, hostKeys } as typeof web)
    await apply({ targets: FILES.targets.replace(/^hostKeys: .*$/m, 'hostKeys: []') })
    t.match(await stores.target.get('web-01'), { hostKeys: [] }, 'the file says that there is none')
  })

  t.test('who is newly disabled is named, so that their sessions end', async t => {
    const { apply } = on(await open(t))
    await apply(FILES)
    const users = FILES.users.replace('name: bob', 'name: bob, disabled: true')
    t.strictSame((await apply({ users })).withdrawnUsers, ['bob'])
    t.strictSame((await apply({ users })).withdrawnUsers, [])
  })
}

t.test('on SQLite', t =>
  promises(t, async t => {
    const database = await openDatabase('sqlite::memory:')
    t.teardown(() => database.destroy())
    return database
  }),
)

t.test('on PostgreSQL', async t => {
  const postgres = await startPostgres()
  t.teardown(() => postgres.stop())
  await promises(t, async t => {
    const database = await openDatabase(await postgres.createDatabase())
    t.teardown(() => database.destroy())
    return database
  })
})
