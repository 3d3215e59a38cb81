/** Four eyes on the rules: a change of roles, users, rules or targets is proposed, and another person has it applied; and no road goes around it. */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Config } from '../../../src/config/config.ts'
import type { ProposalDetails, ProposalDocument } from '../../../src/proposals/proposal-document.ts'
import { callApi } from '../../support/call-api.ts'
import { asOwner, withToken } from '../../support/run-cli.ts'
import { clientOptions, startClient } from '../../support/ssh-client.ts'
import { PAIR, startTestGateway, type TestUser } from '../../support/start-gateway.ts'
import { makeKey } from '../../support/start-sshd.ts'
import { storeEndedSession } from '../../support/store-ended-session.ts'

function twoPersons(config: Config): void {
  config.fourEyes = {
    kinds: ['role', 'target', 'rotation-policy', 'review-rule', 'request-template', 'user'],
    approvers: ['role:security', 'user:zoe'],
    validForMs: 3_600_000,
  }
}
const gateway = await startTestGateway({ storeMoves: true, configure: twoPersons })
t.teardown(() => gateway.close())
const { parts } = gateway
const owner = (argv: string[], stdin?: string) => asOwner(gateway, argv, stdin === undefined ? {} : { stdin })
const ca = join(gateway.folder, 'ca.pem')
writeFileSync(ca, (await owner(['key', 'certificate'])).stdout)

const BASE = `
- { kind: role, name: ops, targets: { names: [web-*] }, accounts: { levels: [admin] } }
- { kind: role, name: boss, targets: {}, accounts: {}, api: [administrate, rotate], factors: [[publickey]] }
- { kind: role, name: security, targets: {}, accounts: {}, factors: [[publickey]] }
- { kind: user, name: alice, roles: [ops] }
- { kind: target, name: web-01, protocol: ssh, host: 192.0.2.1, accounts: [{ name: root, level: admin }] }
`
const leeKey = makeKey(gateway.folder, 'lee', 'ed25519')
const leeKeyText = readFileSync(`${leeKey}.pub`, 'utf8').trim()

const first = await owner(['apply', '-f', '-'], BASE)

const people: Record<string, TestUser> = {
  bob: await gateway.addUser({ name: 'bob', roles: ['boss'], email: 'bob@example.com' }),
  lee: await gateway.addUser({ name: 'lee', roles: ['security'], publicKeys: [leeKeyText] }),
  mia: await gateway.addUser({ name: 'mia', roles: ['security', 'ops'] }),
  bob2: await gateway.addUser({ name: 'bob2', roles: ['security'], email: 'Bob@example.com ' }),
}
const tokens: Record<string, string> = {}
for (const user of [...Object.keys(people), 'alice']) {
  const person = { user, proven: new Set(['publickey'] as const), sourceAddress: '127.0.0.1' }
  const made = await parts.personalAccess.create(person, { scopes: 'all', validForMs: 100 * 3_600_000 })
  tokens[user] = made.text.reveal()
}
const as = (user: string, argv: string[], stdin = '') =>
  withToken(gateway, { token: tokens[user]!, ca }, argv, { stdin })
const code = (user: string) => people[user]!.code()

async function proposed(user: string, text: string, ...more: string[]): Promise<string> {
  const { exit, stdout, stderr } = await as(user, ['apply', '-f', '-', '--json', ...more], text)
  t.equal(exit, 0, stderr)
  const answer = JSON.parse(stdout) as { applied: boolean; proposal: ProposalDocument | null }
  t.equal(answer.applied, false)
  return answer.proposal!.id
}
const approve = (user: string, id: string) => as(user, ['proposal', 'approve', id, '--stdin'], code(user))
const stateOf = async (id: string) => (await parts.proposals.rows.get(id))!.state.is
const rolesOf = async (user: string) => (await parts.users.get(user))?.roles
const role = (name: string, more = '') =>
  `{ kind: role, name: ${name}, targets: { names: [web-01] }, accounts: { levels: [admin] }${more} }`
const OPS_BY_NIGHT =
  '{ kind: role, name: ops, targets: { names: [web-*] }, accounts: { levels: [admin] }, sources: [10.0.0.0/8] }'

t.test('the first set-up of an empty store is the owner’s; from then on there is another person in it', async t => {
  t.equal(first.exit, 0, first.stderr)
  t.match(first.stdout, /5 new/)
  t.match((await parts.audit.list({ kinds: ['resources.applied'] }))[0]!.data, /"firstSetUp":true/)
})

t.test(
  'apply makes a proposal; another person reads what it changes, gives and would have refused, and has it applied',
  async t => {
    const startedAt = gateway.clock.now() - 86_400_000
    await storeEndedSession(parts.database, startedAt)
    const said = await as(
      'bob',
      ['apply', '-f', '-', '--reason', 'INC-4711'],
      `- ${OPS_BY_NIGHT}\n- { kind: role, name: fix, targets: { names: [db-*] }, accounts: { levels: [basic] } }\n- { kind: user, name: alice, roles: [ops, fix] }`,
    )
    t.match(said.stderr, /Nothing was changed: it is the proposal prp_\w+, and waits for a second person/)
    const id = /prp_\w+/.exec(said.stderr)![0]
    t.strictSame(await rolesOf('alice'), ['ops'], 'nothing is changed')
    t.match((await as('lee', ['proposal', 'list', '--to-decide'])).stdout, new RegExp(`${id}.*bob.*INC-4711`))
    const shown = await as('lee', ['proposal', 'show', id])
    t.match(shown.stdout, /decided by +1 of role:security, user:zoe/)
    t.match(shown.stdout, /~ role ops\n {4}\+ sources: 10\.0\.0\.0\/8\n\+ role fix/)
    t.match(shown.stdout, /Of the 1 session of the 30 days before, 1 would have been refused/)
    t.match(shown.stdout, /alice root@web-01: refused, /)
    t.match(await as('bob', ['proposal', 'approve', id]), { stderr: /Nobody decides on what they propose/ })
    t.match(await approve('bob2', id), { stderr: /another user of theirs/ }, 'nor the other user of theirs')
    t.match(await approve('mia', id), {
      stderr: /Your own access hangs on it. It changes the role ops, which you hold/,
    })
    t.match(await as('lee', ['proposal', 'approve', id, '--stdin'], '000000'), { stderr: /code is not right/ })
    t.equal(await stateOf(id), 'pending')
    const done = await approve('lee', id)
    t.equal(done.exit, 0, done.stderr)
    t.match(done.stdout, /applied by lee/)
    t.strictSame(await rolesOf('alice'), ['ops', 'fix'])
    const [event] = (await parts.audit.list({ kinds: ['resources.applied'] })).slice(-1)
    t.match(event, { actor: 'lee' })
    t.match(JSON.parse(event!.data), { proposal: id, proposedBy: 'bob', approvedBy: ['lee'] })
    t.match(await approve('lee', id), { stderr: /applied already/ })
  },
)

t.test('a request template is proposed and applied like the other rules, and gives nobody anything', async t => {
  const template =
    '{ kind: request-template, name: incident, ask: { level: admin, targets: { names: [web-*] }, for: 2h } }'
  const id = await proposed('bob', template)
  t.strictSame(await parts.requests.templates.list(), [])
  t.match((await as('lee', ['proposal', 'show', id])).stdout, /\+ request-template incident/)
  const done = await approve('mia', id)
  t.equal(done.exit, 0, done.stderr)
  t.match(await parts.requests.templates.list(), [{ name: 'incident', ask: { for: 7_200_000 } }])
  const [event] = (await parts.audit.list({ kinds: ['resources.applied'] })).slice(-1)
  t.match(JSON.parse(event!.data), { proposal: id, approvedBy: ['mia'] })
})

t.test('by ssh with nothing installed', async t => {
  const id = await proposed('bob', role('by-ssh'))
  const at = gateway.ssh!
  const ssh = (...command: string[]) =>
    startClient(
      'ssh',
      [
        '-F',
        'none',
        ...clientOptions({ identityFile: leeKey }),
        '-p',
        String(at.port),
        '-l',
        'lee',
        at.host,
        ...command,
      ],
      { identityFile: leeKey },
    )
  t.match((await ssh('proposals').ended).stdout, new RegExp(`Waiting for you:\n.*\n${id}`))
  t.match((await ssh('proposals', 'mine').ended).stdout, /^You have proposed nothing\.$/m)
  t.match((await ssh('proposals', '--after', id).ended).stderr, /Say which list goes on: proposals mine --after ID/)
  const page = await as('bob', ['proposal', 'list', '--limit', '1'])
  t.match(page.stderr, new RegExp(`There may be more: --after ${id}`))
  const next = await as('bob', ['proposal', 'list', '--limit', '1', '--after', id])
  t.notMatch(next.stdout, id)
  t.match(next.stdout, /prp_/)
  t.match((await ssh('proposal', 'show', id).ended).stdout, /\+ role by-ssh/)
  const denying = ssh('deny', id, '--reason', "'not today'")
  await denying.printed(/One-time code: $/)
  denying.stdin.end('000000\n')
  t.match((await denying.ended).stderr, /code is not right/)
  t.equal((await as('bob', ['proposal', 'withdraw', id])).exit, 0)
  t.equal(await stateOf(id), 'withdrawn')
  const other = await proposed('bob', role('by-ssh'))
  const approving = ssh('approve', other)
  await approving.printed(/One-time code: $/)
  approving.stdin.end(`${code('lee')}\n`)
  t.match((await approving.ended).stdout, /applied by lee/)
  t.ok(await parts.roles.get('by-ssh'))
})

t.test('by ssh the code of the login counts for the first decision that comes on it', async t => {
  const id = await proposed('bob', role('by-login'))
  const { host, port } = gateway.ssh!
  await gateway.addRole({ name: 'desk', targets: {}, accounts: {}, factors: [['password', 'totp']] })
  const { password, code } = await gateway.addUser({ name: 'nat', roles: ['security', 'desk'] })
  const ssh = (...command: string[]) =>
    startClient(
      'ssh',
      ['-F', 'none', ...clientOptions({ password }), '-p', String(port), '-l', 'nat', host, ...command],
      { password, code },
    ).ended
  const approved = await ssh('approve', id)
  t.match(approved, { status: 0, stdout: /applied by nat/ }, approved.stderr)
  t.notMatch(approved.stderr, /One-time code/, 'it was not asked for again')
  t.ok(await parts.roles.get('by-login'))
})

t.test('a token and the owner are nobody in particular: two persons approve what they propose', async t => {
  const id = (await owner(['apply', '-f', '-', '--json'], role('by-owner'))).json<{ proposal: ProposalDocument }>()
    .proposal.id
  t.match(await approve('lee', id), { exit: 0, stdout: /waiting for its decision/ })
  t.match(await approve('lee', id), { stderr: /You have approved it already/ })
  t.equal(await parts.roles.get('by-owner'), undefined)
  t.equal((await approve('mia', id)).exit, 0)
  t.equal(await stateOf(id), 'applied')
  const made = await owner(['token', 'create', 'ci', '--user', 'bob', '--scope', 'administrate', '--json'])
  const { token } = made.json<{ token: string }>()
  const answer = await withToken(gateway, { token, ca }, ['apply', '-f', '-', '--json'], { stdin: role('by-ci') })
  t.match(answer.json<{ proposal: ProposalDocument }>().proposal, { by: 'token', token: 'ci', approvalsNeeded: 2 })
  const again = await withToken(gateway, { token, ca }, ['apply', '-f', '-', '--json'], { stdin: role('by-ci') })
  const ci = again.json<{ proposal: ProposalDocument }>().proposal.id
  t.equal(ci, answer.json<{ proposal: ProposalDocument }>().proposal.id, 'the same change is one proposal')
  await approve('lee', ci)
  await owner(['token', 'revoke', 'ci'])
  t.match(await approve('mia', ci), { stderr: /has the scope administrate no more/ })
  t.equal(await stateOf(ci), 'outdated')
})

t.test('what has changed since makes it outdated, whoever changed it', async t => {
  const [one, two] = [
    await proposed('bob', role('ops', ', idle: 5m')),
    await proposed('bob', role('ops', ', idle: 6m')),
  ]
  t.equal((await approve('lee', one)).exit, 0)
  t.match(await approve('lee', two), { stderr: /outdated: the role ops was changed since/ })
  t.equal(await stateOf(two), 'outdated')
  const gets = await proposed('bob', '{ kind: user, name: alice, roles: [fix, by-owner] }')
  await gateway.addRole({ name: 'by-owner', targets: { names: ['*'] }, accounts: { levels: ['system'] } })
  t.match(
    await approve('lee', gets),
    { stderr: /the role by-owner was changed since/ },
    'also a role that somebody gets by it',
  )
})

t.test('two approvals at one instant, on two gateways’ worth of calls, apply it once', async t => {
  const id = await proposed('bob', role('raced'))
  const codes = [code('lee'), code('mia')]
  const results = await Promise.all([
    as('lee', ['proposal', 'approve', id, '--stdin'], codes[0]),
    as('mia', ['proposal', 'approve', id, '--stdin'], codes[1]),
  ])
  t.equal(results.filter(({ exit }) => exit === 0).length, 1, results.map(({ stderr }) => stderr).join())
  const applied = (await parts.audit.list({ kinds: ['resources.applied'] })).filter(({ data }) => data.includes(id))
  t.equal(applied.length, 1)
})

t.test('of an approval, a denial and a withdrawal at one instant, on two gateways, exactly one counts', async t => {
  const other = PAIR === 'postgres-redis' ? await startTestGateway({ beside: gateway, configure: twoPersons }) : gateway
  if (other !== gateway) t.teardown(() => other.close())
  const person = { roles: ['security'], proven: new Set<never>(), sourceAddress: '127.0.0.1' }
  type Between = () => Promise<unknown>
  const at = { here: parts.proposals, there: other.parts.proposals }
  const acts = {
    approve: (id: string, on: keyof typeof at, between: Between) =>
      at[on].approve({ user: 'lee', ...person }, id, {}, () => between().then(() => true)),
    deny: (id: string, on: keyof typeof at, between: Between) =>
      at[on].deny({ user: 'mia', ...person }, id, 'not now', () => between().then(() => true)),
    withdraw: async (id: string, on: keyof typeof at, between: Between) => {
      await between()
      return at[on].withdraw(id, { is: 'person', user: 'bob' })
    },
  }
  let round = 0
  const race = async (names: (keyof typeof acts)[], run: (id: string) => Promise<PromiseSettledResult<unknown>[]>) => {
    const name = `raced-${++round}`
    const id = await proposed('bob', role(name))
    const results = await run(id)
    const lost = results.flatMap(result => (result.status === 'rejected' ? [result.reason] : []))
    t.strictSame(
      lost.map(({ code }) => code),
      names.slice(1).map(() => 'CONFLICT'),
      names.join(),
    )
    const state = await stateOf(id)
    t.equal((await parts.roles.get(name)) !== undefined, state === 'applied', state)
    const kinds = ['resources.applied', 'proposal.denied', 'proposal.withdrawn'] as const
    const ends = (await parts.audit.list({ kinds: [...kinds] })).filter(({ data }) => data.includes(id))
    t.equal(ends.length, 1, ends.map(({ kind }) => kind).join())
    return state
  }
  /** Whoever is `late` had looked at it when the other one was done. */
  const afterwards = (late: 'approve' | 'deny', early: keyof typeof acts) =>
    race([late, early], async id => {
      let done: Promise<unknown> = Promise.resolve()
      const lost = acts[late](id, 'here', () => (done = acts[early](id, 'there', async () => {})))
      return Promise.allSettled([
        lost,
        lost.then(
          () => done,
          () => done,
        ),
      ])
    })
  t.equal(await afterwards('approve', 'withdraw'), 'withdrawn')
  t.equal(await afterwards('approve', 'deny'), 'denied')
  t.equal(await afterwards('deny', 'approve'), 'applied')
  t.equal(await afterwards('deny', 'withdraw'), 'withdrawn')
  for (const names of [
    ['approve', 'deny'],
    ['deny', 'approve'],
    ['approve', 'withdraw', 'deny'],
  ] as const)
    await race([...names], id => {
      const all = Promise.withResolvers<void>()
      let there = 0
      const together = async () => {
        if (++there === names.length) all.resolve()
        await all.promise
      }
      return Promise.allSettled(
        names.map((name, index) => acts[name](id, index % 2 === 0 ? 'here' : 'there', together)),
      )
    })
})

t.test('what is approved for good becomes a proposal, and that a role of its own', async t => {
  await gateway.addRole({
    ...{ name: 'helpers', targets: { names: ['web-*'] }, accounts: {} },
    onRequest: [{ accounts: { levels: ['admin'] }, approvers: ['user:lee'], permanent: { approvers: ['user:mia'] } }],
  })
  await parts.users.put({ ...(await parts.users.get('alice'))!, roles: ['helpers'] })
  const wide = await as('alice', [
    'request',
    'create',
    '--targets',
    'web-*',
    '--level',
    'admin',
    '--reason',
    'x',
    '--permanent',
  ])
  t.match(wide.stderr, /one account at a time/)
  const asked = await as('alice', ['request', 'create', 'root@web-01', '--reason', 'my job', '--permanent', '--json'])
  const { id } = asked.json<{ request: { id: string } }>().request
  t.equal(
    (await as('lee', ['request', 'approve', id, '--stdin'], code('lee'))).exit === 0,
    false,
    'not by who approves for a time',
  )
  t.match((await as('mia', ['request', 'list', '--to-decide'])).stdout, new RegExp(id))
  t.equal((await as('mia', ['request', 'approve', id, '--stdin'], code('mia'))).exit, 0)
  let proposal: string | undefined
  while (proposal === undefined) proposal = (await parts.proposals.rows.ofRequest(id))?.id
  const shown = await as('lee', ['proposal', 'show', proposal])
  t.match(shown.stdout, /proposed by +the gateway for alice/)
  t.match(shown.stdout, /alice gets root@web-01/)
  t.match((await as('alice', ['request', 'show', id])).stdout, new RegExp(`proposal +${proposal}`))
  t.match(await as('alice', ['proposal', 'approve', proposal]), { stderr: /Nobody decides on what they propose/ })
  t.equal((await approve('lee', proposal)).exit, 0)
  const roles = await rolesOf('alice')
  t.match(roles, ['helpers', `permanent-${id.slice(4)}`])
  t.match(await parts.roles.get(roles![1]!), { targets: { names: ['web-01'] }, accounts: { names: ['root'] } })
})

t.test('no road goes around it', async t => {
  t.match(await proposed('bob', '{ kind: user, name: bob, roles: [boss, ops] }'), /^prp_/, 'a role for oneself')
  t.match(await proposed('bob', '{ kind: user, name: bobby, roles: [security] }'), /^prp_/, 'a new user who approves')
  t.match(
    await proposed('bob', '{ kind: user, name: bob, roles: [boss], person: other }'),
    /^prp_/,
    'to be somebody else',
  )
  t.match(
    await proposed(
      'bob',
      '{ kind: target, name: web-01, protocol: ssh, host: 192.0.2.1, labels: { a: b }, accounts: [{ name: root, level: basic }] }',
    ),
    /^prp_/,
    'the level of an account',
  )
  t.match(
    await proposed(
      'bob',
      '{ kind: review-rule, name: all, outcome: approve, when: { accounts: { levels: [admin] } } }',
    ),
    /^prp_/,
  )
  t.match(
    await proposed(
      'bob',
      `- ${role('two-kinds')}\n- { kind: target, name: web-02, protocol: ssh, host: 192.0.2.2, accounts: [{ name: root, level: admin }] }`,
    ),
    /^prp_/,
  )
  t.equal(await parts.targets.get('web-02'), undefined, 'all of it, or nothing')
  const pruned = await as('bob', ['apply', '-f', '-', '--prune'], '{ kind: user, name: bob, roles: [boss] }')
  t.match(pruned.stderr, /and 0 could/, 'nor are those deleted who would approve')
  t.ok(await parts.users.get('alice'))
  const factor = (path: string, method: string, body?: unknown) =>
    callApi(gateway, path, { token: tokens.bob!, method, ...(body === undefined ? {} : { body }) })
  t.equal(
    (await factor('/v1/users/lee/password', 'PUT', { password: 'x'.repeat(20) })).status,
    403,
    'no factors of an approver',
  )
  t.equal((await factor('/v1/users/lee/totp', 'POST')).status, 403)
  t.equal((await factor('/v1/users/bob/totp', 'POST')).status, 403, 'nor of one who proposes')
  t.equal((await factor('/v1/users/lee/factors/totp', 'DELETE')).status, 403, 'nor are they taken away')
  t.equal((await factor('/v1/users/alice/totp', 'POST')).status, 201, 'of others as before')
  t.equal(
    (await factor('/v1/targets/web-01/host-keys', 'PUT', { hostKeys: [leeKeyText.split(' ').slice(0, 2).join(' ')] }))
      .status,
    403,
  )
  t.equal((await factor('/v1/tokens', 'POST', { name: 'x', user: 'lee', scope: ['administrate'] })).status, 403)
  const glass = await factor('/v1/resources/apply', 'POST', {
    files: [{ name: 'x', text: role('glass') }],
    breakGlass: 'please',
  })
  t.equal(glass.status, 403, 'the glass is the owner’s')
  t.match(await proposed('bob', role('fifteen')), /^prp_/)
  for (const { id, proposer } of await parts.proposals.rows.pending()) await parts.proposals.withdraw(id, proposer)
})

t.test('who may not approve any more, or propose, by the time that it is applied, has not', async t => {
  const id = (await owner(['apply', '-f', '-', '--json'], role('late'))).json<{ proposal: ProposalDocument }>().proposal
    .id
  t.equal((await approve('lee', id)).exit, 0)
  const lee = (await parts.users.get('lee'))!
  await parts.users.put({ ...lee, roles: [] })
  t.match(
    await approve('mia', id),
    { stdout: /waiting for its decision/ },
    'the approval of whoever lost the role does not count',
  )
  t.equal((await approve('lee', id)).exit === 0, false)
  await parts.users.put(lee)
  const bobs = await proposed('bob', role('later'))
  const bob = (await parts.users.get('bob'))!
  await parts.users.put({ ...bob, disabled: true })
  t.match(await approve('lee', bobs), { stderr: /bob, who proposed it, was removed or disabled/ })
  await parts.users.put(bob)
  t.equal(await stateOf(bobs), 'outdated')
})

t.test('it is denied with a reason, or expires by itself', async t => {
  const id = await proposed('bob', role('denied'))
  t.equal((await as('lee', ['proposal', 'deny', id, '--reason', 'too wide', '--stdin'], code('lee'))).exit, 0)
  t.match(await as('bob', ['proposal', 'show', id, '--json']), { stdout: /too wide/ })
  const late = await proposed('bob', role('expired'))
  gateway.clock.advance(3_700_000)
  t.match(await approve('lee', late), { exit: 1 })
  await parts.proposals.expire(late)
  t.equal(await stateOf(late), 'expired')
})

t.test(
  'where nobody could approve it, that is said at once; the owner breaks the glass, and somebody is alerted',
  async t => {
    const refused = await as('bob', ['apply', '-f', '-'], role('security', ', idle: 5m'))
    t.match(refused.stderr, /needs one person of role:security, user:zoe to approve it, and 0 could/)
    const broken = await owner(['apply', '-f', '-', '--break-glass', 'nobody is left'], role('security', ', idle: 5m'))
    t.equal(broken.exit, 0, broken.stderr)
    const { data } = (await parts.audit.list({ kinds: ['resources.applied'] })).at(-1)!
    t.match(data, /"breakGlass":"nobody is left"/)
  },
)

t.test('a proposal of ten thousand resources is shown whole, and applied whole', async t => {
  const users = Array.from({ length: 10_000 }, (_, index) => `- { kind: user, name: u${index}, roles: [] }`).join('\n')
  const id = await proposed('bob', users)
  const details = (await as('lee', ['proposal', 'show', id, '--json'])).json<ProposalDetails>()
  t.equal(details.changes, 10_000)
  t.equal(details.lines.length, details.lineCount)
  t.match(details.lines, ['+ user u0'])
  const done = await approve('lee', id)
  t.equal(done.exit, 0, done.stderr)
  t.ok(await parts.users.get('u9999'))
})
