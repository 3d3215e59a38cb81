/** Rules are tried before they count: on recorded sessions, and on tests of their own. And who changes, uses and reviews them is told apart. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { TriedAnswer } from '../../../src/api/routes/review-rules.ts'
import type { SimulationAnswer } from '../../../src/api/routes/simulate.ts'
import { asOwner, cli, withToken } from '../../support/run-cli.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { storeEndedSession } from '../../support/store-ended-session.ts'

const RESOURCES = `
- { kind: role, name: ops, targets: { names: [web-*] }, accounts: { levels: [admin] } }
- { kind: user, name: alice, roles: [ops] }
- { kind: target, name: web-01, protocol: ssh, host: 192.0.2.1, accounts: [{ name: root, level: admin }] }
`

const gateway = await startTestGateway()
t.teardown(() => gateway.close())
const owner = (argv: string[], stdin?: string) => asOwner(gateway, argv, stdin === undefined ? {} : { stdin })
const fileOf = (name: string, text: string) => {
  const file = join(gateway.folder, name)
  writeFileSync(file, text)
  return file
}

await owner(['apply', '-f', '-'], RESOURCES)
const { database } = gateway.parts
for (const daysAgo of [1, 2, 40]) {
  const startedAt = gateway.clock.now() - daysAgo * 86_400_000
  await storeEndedSession(database, startedAt)
}
const stricter = fileOf(
  'new-roles.yaml',
  RESOURCES.replace('levels: [admin] }', 'levels: [admin] }, sources: [10.0.0.0/8]').split('\n')[1]!,
)

t.test('simulate names the sessions that new roles would have refused, and says what it cannot know', async t => {
  const before = await owner(['role', 'list', '--json'])
  const { exit, stdout } = await owner(['simulate', '-f', stricter])
  t.equal(exit, 1)
  t.match(stdout, /^2 of the 2 sessions from .* would have been refused\./)
  t.match(stdout, /alice +root@web-01 +refused +the role ops would allow it but for its source/)
  t.match(stdout, /What no recorded session says, and so is not in this:\n {2}- Factors: /)
  const all = await owner(['simulate', '-f', stricter, '--since', '60d', '--limit', '1', '--json'])
  t.match(all.json<SimulationAnswer>(), {
    sessions: 3,
    counts: { refused: 3 },
    listed: [{ outcome: 'refused', onRequest: false }],
  })
  const same = await owner(['simulate', '-f', '-'], RESOURCES)
  t.equal(same.exit, 0)
  t.match(
    same.stdout,
    /^None of the 2 sessions .* would have been refused\.\nchanged resources +0\nas before +2, of which the files touch 0/,
  )
  t.equal((await owner(['role', 'list', '--json'])).stdout, before.stdout, 'nothing was changed')
  t.match(await owner(['simulate', '-f', stricter, '--since', 'gestern']), {
    exit: 2,
    stderr: /--since: "gestern" is not a time/,
  })
  t.match(await owner(['simulate', '-f', stricter, '--limit', 'all']), { exit: 2, stderr: /limit/ })
  const huge = fileOf('huge.yaml', '# a comment, and no rule\n'.repeat(2_000_000))
  t.match(await owner(['simulate', '-f', huge]), { exit: 2, stderr: /too large|too long|larger than/i })
  const wrong = await owner(['simulate', '-f', '-'], '{ kind: user, name: bob, roles: [nobody] }')
  t.equal(wrong.exit, 1)
  t.match(wrong.stderr, /stdin:1:\d+: There is no role nobody/)
})

t.test(
  'review rules are tried on the sessions that new roles would leave to a request, by the address and time of then',
  async t => {
    const rules = (extra: string) =>
      fileOf(
        'on-request.yaml',
        `
- kind: role
  name: ops
  targets: { names: [web-*] }
  accounts: {}
  onRequest: [{ accounts: { levels: [admin] }, approvers: [user:alice], maxTime: 2h }]
- { kind: review-rule, name: from-there, outcome: approve, when: { sources: [198.51.100.0/24], atMost: 1h${extra} } }
`,
      )
    const before = await owner(['role', 'list', '--json'])
    const granted = await owner(['review-rule', 'try', '-f', rules(''), '--days', '30'])
    t.match(
      granted.stdout,
      /^2 sessions would have needed approval, of 2: 2 granted at once, 0 denied, 0 left to people\./,
    )
    t.match(
      granted.stdout,
      /ses_\S+ +\S+ \S+ +alice +root@web-01 +ops +approve +from-there +asked from 198\.51\.100\.7/,
    )
    t.match(granted.stdout, /0 requests would have been granted at once/)
    const older = await owner([
      'review-rule',
      'try',
      '-f',
      rules(', ticket: { states: [open] }'),
      '--days',
      '60',
      '--json',
    ])
    t.match(older.json<TriedAnswer>(), {
      sessions: {
        ...{ recorded: 3, asked: 3, more: false, counts: { approve: 0, deny: 0, ask: 3 } },
        listed: [
          { outcome: 'ask', rule: 'from-there', why: /the state of the ticket: it is asked for with a request alone/ },
          {},
          {},
        ],
      },
    })
    const alone = await owner(['review-rule', 'try', '--json'])
    t.equal(alone.json<TriedAnswer>().sessions, undefined)
    t.equal((await owner(['role', 'list', '--json'])).stdout, before.stdout, 'nothing was changed')
  },
)

t.test('a token with the scope simulate may do that, and one with read may not', async t => {
  const ca = fileOf('gateway.crt', (await owner(['key', 'certificate'])).stdout)
  const made = async (scope: string) => {
    const { stdout } = await owner(['token', 'create', scope, '--user', 'alice', '--scope', scope, '--json'])
    return { token: (JSON.parse(stdout) as { token: string }).token, ca }
  }
  t.equal((await withToken(gateway, await made('simulate'), ['simulate', '-f', stricter])).exit, 1)
  t.equal((await withToken(gateway, await made('read'), ['simulate', '-f', stricter])).exit, 4)
})

t.test('policy test answers for CI, by files without a gateway, or by what one has', async t => {
  fileOf('resources.yaml', RESOURCES)
  const tests = fileOf(
    'policy.yaml',
    `
resources: [resources.yaml]
cases:
  - name: "ops are root # everywhere"
    given: { user: alice, target: web-01, account: root }
    expect: { allowed: true, roles: [ops], maxTime: 12h }
  - given: { roles: [ops], target: web-01, account: root, proven: [password] }
    expect: { allowed: false }
`,
  )
  const { exit, stdout } = await cli(['policy', 'test', tests])
  t.equal(exit, 0)
  t.equal(stdout, 'pass  ops are root # everywhere\npass  case 2: ops to root@web-01\n\n2 passed, 0 failed.\n')
  const none =
    'resources: [resources.yaml]\ncases:\n  - given: { roles: [], target: web-01 }\n    expect: { allowed: false }\n'
  t.match(
    (await cli(['policy', 'test', fileOf('none.yaml', none)])).stdout,
    'pass  case 1: somebody without roles to web-01',
  )
  const stricterFile = fileOf('strict.yaml', RESOURCES.replace('levels: [admin]', 'levels: [basic]'))
  const failing = await cli(['policy', 'test', tests, '-f', stricterFile, '--tap'])
  t.equal(failing.exit, 1)
  t.equal(
    failing.stdout,
    `TAP version 14
1..2
not ok 1 - ops are root \\# everywhere
  ---
  problems: ["expected allowed, and it is refused"]
  decided: "refused: no role of the user allows root@web-01"
  ...
ok 2 - case 2: ops to root@web-01
`,
  )
  t.match((await cli(['policy', 'test', tests, '-f', stricterFile, '--json'])).json(), {
    passed: 1,
    failed: 1,
    cases: [{ passed: false }, {}],
  })
  const online = fileOf(
    'online.yaml',
    'cases:\n  - given: { user: alice, target: web-01 }\n    expect: { allowed: true }\n',
  )
  t.match(await owner(['policy', 'test', online]), { exit: 0, stdout: /1 passed/ })
  t.equal((await cli(['policy', 'test', online], { env: { SALLYPORT_SOCKET: '/nowhere/sallyport.sock' } })).exit, 3)
  for (const [text, words] of [
    ['cases: []', /wrong\.yaml:1:8: cases: the list must not be empty/],
    [
      'cases:\n  - given: { user: alice, tarket: web-01 }\n    expect: { allowed: true }',
      /wrong\.yaml:2:27: .*tarket is not known; did you mean target\?/,
    ],
    ['', /there is nothing in it/],
    [
      'resources: [nowhere]\ncases:\n  - { given: { user: a, target: b }, expect: { allowed: true } }',
      /^sallyport: .*wrong\.yaml: resources: .*nowhere cannot be read/,
    ],
  ] as const) {
    const wrong = await cli(['policy', 'test', fileOf('wrong.yaml', text)])
    t.equal(wrong.exit, 2, text)
    t.match(wrong.stderr, words)
  }
})

t.test('report separation names who is several of admin, approver and auditor', async t => {
  t.match(await owner(['report', 'separation']), { exit: 0, stdout: /^Nobody is several/ })
  const nothing = 'targets: {}, accounts: {}'
  const several = `
- { kind: role, name: boss, ${nothing}, api: [administrate] }
- { kind: role, name: lead, ${nothing} }
- { kind: role, name: dev, targets: { names: [web-01] }, accounts: {}, onRequest: [{ accounts: { levels: [admin] }, approvers: ['role:lead'] }] }
- { kind: user, name: bea, roles: [boss], person: bea }
- { kind: user, name: bea-lead, roles: [lead], person: bea }
`
  t.equal((await owner(['apply', '-f', '-'], several)).exit, 0)
  const { exit, stdout } = await owner(['report', 'separation'])
  t.equal(exit, 1)
  t.match(stdout, /^1 person is several of admin, approver and auditor\.\nIn all: admin 1, approver 1, auditor 0\./)
  t.match(stdout, /bea +bea, bea-lead +approver +role:lead for level admin of the role dev/)
  const ca = fileOf('gateway.crt', (await owner(['key', 'certificate'])).stdout)
  const { stdout: made } = await owner(['token', 'create', 'auditing', '--user', 'bea', '--scope', 'audit', '--json'])
  const { token } = JSON.parse(made) as { token: string }
  const seen = await withToken(gateway, { token, ca }, ['report', 'separation', '--json'])
  t.match(seen.json(), {
    several: [{ person: 'bea', duties: [{ duty: 'admin' }, { duty: 'approver' }, { duty: 'auditor' }] }],
  })
})
