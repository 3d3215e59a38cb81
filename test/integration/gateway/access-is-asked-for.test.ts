/** Access that is asked for: asked, approved, used by real clients, and taken away on both sides at once. */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import type { RequestDocument } from '../../../src/access-requests/request-document.ts'
import { reviewRuleSchema } from '../../../src/access-requests/review/review-rule.ts'
import { configSchema } from '../../../src/config/config.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { callApi } from '../../support/call-api.ts'
import { startHttpReceiver } from '../../support/http-receiver.ts'
import { asOwner, withToken } from '../../support/run-cli.ts'
import { clientOptions, startClient } from '../../support/ssh-client.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { startPostgres } from '../../support/start-postgres.ts'
import { makeKey, startSshd } from '../../support/start-sshd.ts'

const TEMPLATE_ELSE = '{ kind: request-template, name: else, ask: { level: admin } }'
const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
const [postgres, sshd] = await Promise.all([startPostgres(), startSshd()])
for (const server of [postgres, sshd]) t.teardown(() => server.stop())
const shifts = join(t.testdir({ 'webhook.secret': SECRET }), 'ops.ics')
const tickets = await startHttpReceiver()
t.teardown(() => tickets.close())
const gateway = await startTestGateway({
  storeMoves: true,
  configure(config) {
    const written = configSchema().parse({
      calendars: { ops: { file: shifts } },
      ticketCheck: { url: tickets.url, secretFile: join(shifts, '../webhook.secret'), allowLocal: true },
    })
    Object.assign(config, { calendars: written.calendars, ticketCheck: written.ticketCheck })
  },
})
t.teardown(() => gateway.close())
const { parts } = gateway
const { account } = sshd
const { superuser, superPassword } = postgres
const identityFile = makeKey(sshd.folder, 'alice', 'ed25519')
const leadKey = makeKey(sshd.folder, 'lee', 'ed25519')
const keyOf = (file: string) => [readFileSync(`${file}.pub`, 'utf8').trim()]

const ops = (onRequest: Parameters<typeof gateway.addRole>[0]['onRequest']) =>
  gateway.addRole({
    ...{ name: 'ops', targets: { names: ['web-01', 'orders'] }, accounts: {}, factors: [['publickey'], ['password']] },
    onRequest,
    checkOut: {},
  })
const OFFER = { accounts: { levels: ['admin' as const] }, approvers: ['role:leads'], maxTime: '4h' }
await ops([OFFER])
await gateway.addRole({ name: 'leads', targets: {}, accounts: {}, factors: [['publickey']] })
await gateway.addTarget(
  {
    ...{ name: 'web-01', protocol: 'ssh', host: sshd.host, port: sshd.port, hostKeys: sshd.hostKeys },
    accounts: [{ name: account, level: 'admin', checkOut: { mode: 'shared' } }],
  },
  { [account]: { kind: 'private-key', privateKey: new Secret(sshd.privateKey) } },
)
await gateway.addTarget(
  {
    ...{ name: 'orders', protocol: 'postgres', host: postgres.host, port: postgres.port, tls: 'disable' },
    accounts: [{ name: superuser, level: 'admin' }],
  },
  { [superuser]: { kind: 'password', password: new Secret(superPassword) } },
)
const alice = await gateway.addUser({
  name: 'alice',
  email: 'alice@example.com',
  roles: ['ops'],
  publicKeys: keyOf(identityFile),
})
const lee = await gateway.addUser({ name: 'lee', roles: ['leads'], publicKeys: keyOf(leadKey) })

const ca = join(gateway.folder, 'ca.pem')
writeFileSync(ca, (await asOwner(gateway, ['key', 'certificate'])).stdout)
const tokenOf = async (user: string) => {
  const person = { user, proven: new Set(['publickey'] as const), sourceAddress: '127.0.0.1' }
  const made = await parts.personalAccess.create(person, { scopes: 'all', validForMs: 8 * 3_600_000 })
  return { token: made.text.reveal(), ca }
}
const tokens = { alice: await tokenOf('alice'), lee: await tokenOf('lee') }
const as = (user: keyof typeof tokens, ...argv: string[]) =>
  withToken(gateway, tokens[user], ['request', ...argv], { stdin: lee.code() })
const asked = async (...argv: string[]) => {
  const { stdout, stderr, exit } = await as('alice', 'create', ...argv, '--reason', 'INC-4711', '--json')
  t.equal(exit, 0, stderr)
  return (JSON.parse(stdout) as { request: RequestDocument }).request.id
}
const approve = async (id: string, ...argv: string[]) => {
  const { exit, stderr } = await as('lee', 'approve', id, '--stdin', ...argv)
  t.equal(exit, 0, stderr)
}
const at = gateway.ssh!
const ssh = (login: string, ...command: string[]) =>
  startClient(
    'ssh',
    ['-F', 'none', ...clientOptions({ identityFile }), '-p', String(at.port), '-l', login, at.host, ...command],
    { identityFile },
  )
const onWeb = (...command: string[]) => ssh(`alice+${account}+web-01`, ...command)
const psql = () => {
  const { host, port } = gateway.postgres!
  const user = `alice+${superuser}+orders`
  const connection = `host=${host} port=${port} user=${user} dbname=postgres sslmode=require`
  return startClient('env', [`PGPASSWORD=${alice.password}`, 'psql', '-X', '-A', '-t', connection], { identityFile })
}
const latest = async () => (await parts.sessions.list({ user: 'alice', limit: 1 }))[0]!
const backends = async () => {
  const query = "select count(*) from pg_stat_activity where query like '%it-began%' and pid <> pg_backend_pid()"
  return Number(await postgres.psql(query))
}

t.test('an engineer asks, a lead sees what it opens and approves with a code, and real clients are let in', async t => {
  const before = await onWeb('true').ended
  t.equal(before.status, 255, 'not without asking')
  const web = await asked(`${account}@web-01`, '--for', '2h')
  const orders = await asked('--target', 'orders', '--level', 'admin')
  t.match((await as('lee', 'list', '--to-decide')).stdout, new RegExp(`${web}.*\n.*${orders}`))
  const shown = JSON.parse((await as('lee', 'show', web, '--json')).stdout)
  t.match(shown, {
    user: 'alice',
    reason: 'INC-4711',
    approvers: 'role:leads',
    opens: { accounts: [`${account}@web-01`], count: 1 },
    ...{ mayDecide: true, needsCode: true },
    history: { sessions: 0, unusual: [/No session of alice there within 90 days/, /asked from 127.0.0.1/] },
  })
  t.match((await as('lee', 'show', web)).stdout, /decided by +role:leads\n +now: lee\n/)
  const wrong = await withToken(gateway, tokens.lee, ['request', 'approve', web, '--stdin'], { stdin: '000000' })
  t.match(wrong.stderr, /code is not right/)
  t.equal((await as('alice', 'approve', web, '--stdin')).exit !== 0, true, 'not by herself')
  await approve(web)
  await approve(orders, '--for', '30m')
  t.match((await as('alice', 'list')).stdout, /active/)

  t.equal((await onWeb('true').ended).status, 0)
  const row = await latest()
  t.match(row, { request: web, role: 'ops' })
  const recording = await parts.recordings.read(row.id)
  t.equal(recording.header.subject.request, web, 'the recording says by which request')
  const events = (await parts.audit.list({ limit: 1000 })).map(({ kind, data }) => ({ kind, ...JSON.parse(data) }))
  const granted = events.filter(({ kind, request }) => kind === 'decision.granted' && request === web)
  t.equal(granted.length, 1)
  t.match(
    events.filter(({ kind, request }) => kind === 'access-request.approved' && request === orders),
    [{ rule: 'role:leads', for: '30m' }],
  )
})

t.test('what is revoked closes on both sides within a second, in both protocols', async t => {
  const requests = (await parts.requests.rows.list({ user: 'alice', states: ['active'], limit: 10 })).map(
    ({ id }) => id,
  )
  const inShell = onWeb('echo it-began; exec sleep 600')
  const inPsql = psql()
  inPsql.stdin.write("select 'it-began', pg_sleep(600);\n")
  await inShell.printed(/it-began/)
  while ((await backends()) === 0) await setTimeout(20)
  t.equal((await ssh('alice', 'checkout', `${account}@web-01`).ended).status, 0)
  const began = performance.now()
  for (const id of requests) {
    const { exit, stderr } = await as('lee', 'revoke', id, '--reason', 'enough')
    t.equal(exit, 0, stderr)
  }
  t.match((await inShell.ended).stderr, /the access that was approved for a time is over/)
  t.match((await inPsql.ended).stderr, /the access that was approved for a time is over|terminating/)
  t.comment(`both sessions had ended ${Math.round(performance.now() - began)} ms after revoke was typed`)
  while ((await backends()) > 0) await setTimeout(20)
  t.pass('the backend is gone')
  for (const { id } of await parts.sessions.list({ user: 'alice', limit: 2 }))
    t.equal((await gateway.ended(id)).reason, 'request-ended')
  while ((await parts.checkOuts.list({ user: 'alice', state: 'open', limit: 1 })).length > 0) await setTimeout(20)
  t.match(await parts.checkOuts.list({ user: 'alice', state: 'ended', limit: 1 }), [
    { state: { reason: 'access-withdrawn' } },
  ])
  t.equal((await onWeb('true').ended).status, 255)
})

t.test('it ends by itself at its time', async t => {
  const id = await asked(`${account}@web-01`, '--for', '10m')
  await approve(id)
  const session = onWeb('echo it-began; exec sleep 600')
  await session.printed(/it-began/)
  gateway.clock.advance(10 * 60_000)
  t.match((await session.ended).stderr, /SESSION_ENDED|is over|maximum time/)
  while ((await parts.requests.rows.get(id))!.state.is !== 'ended') await setTimeout(20)
  t.equal((await onWeb('true').ended).status, 255)
})

t.test('disabled, or with a role that does not offer it any more, one has nothing', async t => {
  const first = await asked(`${account}@web-01`)
  await approve(first)
  const session = onWeb('echo it-began; exec sleep 600')
  await session.printed(/it-began/)
  await ops([{ ...OFFER, accounts: { levels: ['basic'] } }])
  await parts.live.accessChanged()
  t.equal((await session.ended).status, 255)
  while ((await parts.requests.rows.get(first))!.state.is !== 'revoked') await setTimeout(20)
  await ops([OFFER])
  const second = await asked(`${account}@web-01`)
  await approve(second)
  const again = onWeb('echo it-began; exec sleep 600')
  await again.printed(/it-began/)
  await parts.users.put({ ...(await parts.users.get('alice'))!, disabled: true })
  await parts.live.accessChanged()
  t.equal((await again.ended).status, 255)
  while ((await parts.requests.rows.get(second))!.state.is !== 'revoked') await setTimeout(20)
  await parts.users.put({ ...(await parts.users.get('alice'))!, disabled: false })
})

t.test('a review rule approves at once, is named, and is tried on what was asked before', async t => {
  const file = join(gateway.folder, 'rules.yaml')
  writeFileSync(
    file,
    'kind: review-rule\nname: short\noutcome: approve\nwhen: { roles: [ops], accounts: { levels: [admin] }, atMost: 1h }\n',
  )
  const tried = await asOwner(gateway, ['review-rule', 'try', '-f', file])
  t.match(tried.stdout, /^\d+ requests would have been granted at once, 0 denied, 1 left to people, of/, tried.stderr)
  t.match(tried.stdout, /no review rule matches/)
  t.match((await asOwner(gateway, ['review-rule', 'list'])).stderr, /no review rules/)
  const applied = await asOwner(gateway, ['apply', '-f', file])
  t.match(applied.stdout, /review-rule short/, applied.stderr)
  t.match((await asOwner(gateway, ['review-rule', 'list'])).stdout, /short +100 +approve +by the role ops; accounts/)
  t.match((await asOwner(gateway, ['review-rule', 'show', 'short'])).stdout, /for 1h at most/)
  const foretold = async () => (await asOwner(gateway, ['explain', 'alice', `${account}@web-01`])).stdout
  t.match(await foretold(), /would be approved at once by the rule short: by the role ops/)
  const id = await asked(`${account}@web-01`, '--for', '30m')
  t.match((await as('alice', 'show', id)).stdout, /reviewed +approved at once by the rule short: .*at most 1h/)
  t.equal((await onWeb('true').ended).status, 0)
  t.equal((await latest()).request, id)
  const events = (await parts.audit.list({ limit: 1000 })).map(({ kind, data }) => ({ kind, ...JSON.parse(data) }))
  t.match(
    events.filter(({ kind, request }) => kind === 'access-request.approved' && request === id),
    [{ rule: 'review-rule:short' }],
  )
  await parts.reviewRules.remove('short')
  t.equal((await as('alice', 'cancel', id)).exit, 0)
  t.match(await foretold(), /people would decide: there are no review rules\n +asked: role:leads: lee\n/)
})

t.test(
  'who is on call, with a ticket that is open and theirs, is let in at once; where nobody can say, people are asked',
  async t => {
    const when = { onCall: { calendar: 'ops' }, ticket: { states: ['open'], assignee: 'requester' } } as const
    await parts.reviewRules.put(reviewRuleSchema.parse({ name: 'on-call', outcome: 'approve', when }))
    const wish = [`${account}@web-01`, '--for', '10m', '--ticket', 'INC-4711']
    const shown = async (id: string) =>
      JSON.parse((await as('alice', 'show', id, '--json')).stdout) as RequestDocument & { decisions: object[] }
    const unread = await asked(...wish)
    t.match(await shown(unread), { state: 'pending', review: { rule: 'on-call', why: /ops could not be read/ } })
    t.equal(tickets.received.length, 1)
    t.match(
      (await asOwner(gateway, ['review-rule', 'calendars'])).stdout,
      /^ops +not known +never +0 +0 +its file cannot be read: ENOENT/m,
    )
    const wrong = `{ kind: review-rule, name: wrong, outcome: approve, when: { onCall: { calendar: opps } } }`
    t.match(await asOwner(gateway, ['apply', '-f', '-', '--dry-run'], { stdin: wrong }), {
      exit: 1,
      stderr: /stdin:1:\d+: The gateway's configuration has no calendar opps; did you mean ops\? \(ops\)/,
    })

    const day = new Date(gateway.clock.now()).toISOString().slice(0, 10).replaceAll('-', '')
    const event = [
      'BEGIN:VEVENT',
      'UID:1',
      `DTSTART;VALUE=DATE:${day}`,
      'DURATION:P2D',
      'ATTENDEE:mailto:alice@example.com',
    ]
    writeFileSync(shifts, ['BEGIN:VCALENDAR', ...event, 'END:VEVENT', 'END:VCALENDAR', ''].join('\r\n'))
    await parts.calendars.read('ops')
    t.match((await asOwner(gateway, ['review-rule', 'calendars', '--json'])).json(), {
      calendars: [
        {
          calendar: 'ops',
          shifts: 1,
          unreadable: 0,
          failure: null,
          readAt: /Z$/,
          now: ['alice@example.com'],
          next: null,
        },
      ],
    })
    tickets.answer((response, question) => {
      const { id, data } = question.json<{ id: string; data: { ticket: string } }>()
      response.end(JSON.stringify({ id, ticket: data.ticket, state: 'open', assignee: 'Alice' }))
    })
    const id = await asked(...wish)
    t.match(await shown(id), {
      state: 'active',
      review: {
        outcome: 'approve',
        rule: 'on-call',
        outside: ['requester on call by ops: yes', 'ticket: open, of the requester'],
      },
    })
    t.match(JSON.parse(tickets.received.at(-1)!.body), { data: { ticket: 'INC-4711', user: 'alice' } })
    t.match(tickets.received.at(-1)!.headers, { 'webhook-signature': /^v1,/ })
    t.equal((await as('alice', 'cancel', id)).exit, 0)

    tickets.answer(response => response.writeHead(302, { location: 'http://169.254.169.254/' }).end())
    const redirected = await asked(...wish)
    t.match(await shown(redirected), { state: 'pending', review: { rule: 'on-call', why: /redirects/ } })
    const events = (await parts.audit.list({ limit: 1000 })).map(({ kind, data }) => ({ kind, ...JSON.parse(data) }))
    t.match(
      events.find(({ kind, request }) => kind === 'access-request.asked' && request === redirected),
      { review: { outside: ['requester on call by ops: yes', /ticket: unknown: .*redirects \(302\)/] } },
    )
    t.match(
      events.filter(({ kind }) => kind.startsWith('calendar.')).map(({ kind }) => kind),
      ['calendar.unreadable', 'calendar.readable'],
    )
    t.match(
      await parts.metrics.registry.metrics(),
      /sallyport_access_reviews_total\{outcome="approve",rule="on-call"\} 1/,
    )
    for (const one of [unread, redirected]) t.equal((await as('alice', 'cancel', one)).exit, 0)
    await parts.reviewRules.remove('on-call')
  },
)

t.test('all of it by ssh, with nothing installed', async t => {
  const asLee = (...command: string[]) =>
    startClient(
      'ssh',
      ['-F', 'none', ...clientOptions({ identityFile: leadKey })].concat(
        '-p',
        String(at.port),
        '-l',
        'lee',
        at.host,
        ...command,
      ),
      { identityFile: leadKey },
    )
  t.equal((await asLee('requests').ended).stdout, 'You have asked for nothing, and nothing waits for you.\n')
  const explained = await ssh('alice', 'explain', `${account}@web-01`).ended
  t.match(explained.stdout, /^No\. .*approved by role:leads\.\nTo ask for it: ssh alice@gateway request /)
  const made = await ssh('alice', 'request', `${account}@web-01`, '--for', '1h', '--reason', "'INC-4711 disk'").ended
  t.equal(made.status, 0, made.stderr)
  const [id] = /req_[0-9a-z]{26}/.exec(made.stdout)!
  t.match((await ssh('alice', 'requests').ended).stdout, new RegExp(`${id}.*pending.*INC-4711 disk`))
  t.match((await asLee('requests').ended).stdout, new RegExp(`Waiting for you:\n.*\n${id}.*alice`))
  const shown = (await asLee('request', 'show', id).ended).stdout
  t.match(shown, new RegExp(`decided by +role:leads[^]*To decide: ssh lee@gateway approve ${id}\n`))
  const foreign = await asLee('request', 'cancel', id).ended
  t.match(foreign.stderr, /There is no such request that you may see/)
  t.match((await ssh('alice', 'approve', id).ended).stderr, /Nobody decides on what they ask for themselves/)
  const approving = asLee('approve', id, '--for', '30m', '--channel', 'exec')
  await approving.printed(/One-time code/)
  approving.stdin.end(`${lee.code()}\n`)
  const approved = await approving.ended
  t.equal(approved.status, 0, approved.stderr)
  t.match(approved.stdout, /for 30m is active until/)
  t.strictSame((await parts.requests.rows.get(id))!.state.given!.channels, ['exec'])
  const session = onWeb('echo it-began; exec sleep 600')
  await session.printed(/it-began/)
  t.equal((await ssh('alice', 'request', 'cancel', id).ended).status, 0)
  t.match((await session.ended).stderr, /the access that was approved for a time is over/)
  const second = /req_[0-9a-z]{26}/.exec(
    (await ssh('alice', 'request', '--target', 'web-01', '--level', 'admin', '--reason', 'x').ended).stdout,
  )![0]
  const denying = asLee('deny', second, '--reason', "'not today'")
  await denying.printed(/One-time code/)
  denying.stdin.end(`${lee.code()}\n`)
  t.match((await denying.ended).stdout, /is denied: not today/)
  const later = await ssh(
    'alice',
    ...['request', '--targets', "'web-*'", '--level', 'admin', '--channel', 'exec', '--channel', 'sftp'],
    ...['--at', '30m', '--for', '1h', '--reason', 'later', '--json'],
  ).ended
  const { request } = JSON.parse(later.stdout) as { request: RequestDocument }
  t.match(request, { channels: ['exec', 'sftp'], targets: { names: ['web-01'] }, chosenBy: { names: ['web-*'] } })
  t.match((await asLee('request', 'show', request.id).ended).stdout, /begins +20\d\d-.* UTC, or when it is approved/)
  const { startsAt } = (await parts.requests.rows.get(request.id))!.wish
  t.ok(Math.abs(startsAt! - parts.requests.clock.now() - 30 * 60_000) < 5 * 60_000, 'it begins when it was asked for')
  t.match(await ssh('alice', 'request', `${account}@web-01`, '--at', 'noon', '--reason', 'x').ended, {
    status: 2,
    stderr: /--at is a time as in/,
  })
  t.equal((await ssh('alice', 'request', 'cancel', request.id).ended).status, 0)
})

t.test('by a template one types a name and a reason, by ssh, the command and the API', async t => {
  const templates = (...more: string[]) =>
    asOwner(gateway, ['apply', '-f', '-'], {
      stdin: [
        '{ kind: request-template, name: fire, description: web-01 is down, ask: { targets: { names: [web-*] }, level: admin, for: 2h, ticket: "INC-[0-9]+", reason: "Incident {ticket}: {reason}" } }',
        '{ kind: request-template, name: power, ask: { target: web-01, level: power } }',
        ...more,
      ]
        .map(one => `- ${one}`)
        .join('\n'),
    })
  t.equal((await templates()).exit, 0)
  t.match(await templates('{ kind: request-template, name: x, ask: { role: opps } }'), {
    stderr: /There is no role opps; did you mean ops\?/,
  })
  const listed = await ssh('alice', 'request', 'templates').ended
  t.match(listed.stdout, /^fire +level admin on web-\* +2h +--reason --ticket +web-01 is down$/m)
  t.notMatch(listed.stdout, /power/, 'no role of hers offers what that is for')
  t.equal((await as('alice', 'templates')).stdout, listed.stdout)
  t.match((await as('lee', 'templates')).stderr, /There is no template/)
  t.match((await asOwner(gateway, ['request', 'templates'])).stdout, /fire.*\npower/, 'the owner sees all')
  t.match((await as('alice', 'templates', '--all')).stderr, /All templates are shown with the scope read/)
  await gateway.addRole({ name: 'readers', targets: {}, accounts: {}, api: ['read'], factors: [['publickey']] })
  await gateway.addUser({ name: 'rita', roles: ['readers'] })
  const byRita = await withToken(gateway, await tokenOf('rita'), ['request', 'templates', '--all'])
  t.match(byRita.stdout, /fire.*\npower/, 'nor does whoever reads all need a role that offers it')

  const bySsh = await ssh('alice', 'request', '--template', 'fire', '--ticket', 'INC-7', '--reason', 'disk').ended
  t.equal(bySsh.status, 0, bySsh.stderr)
  const [id] = /req_[0-9a-z]{26}/.exec(bySsh.stdout)!
  const shown = await as('lee', 'show', id)
  t.match(shown.stdout, /template +fire\nreason +Incident INC-7: disk\n/)
  t.match(shown.stdout, /^for +2h$/m)
  const byCommand = ['create', `${account}@web-01`, '--template', 'fire', '--for', '30m', '--ticket', 'INC-8']
  const made = await as('alice', ...byCommand, '--reason', 'cpu', '--json')
  t.equal(made.exit, 0, made.stderr)
  const { request } = JSON.parse(made.stdout) as { request: RequestDocument }
  t.match(request, { template: 'fire', for: '30m', ticket: 'INC-8', reason: 'Incident INC-8: cpu' })
  t.match(request, { accounts: { names: [account] }, targets: { names: ['web-01'] } })
  const api = (path: string, body?: unknown) =>
    callApi(gateway, path, {
      token: tokens.alice.token,
      ...(body === undefined ? {} : { method: 'POST', body }),
    })
  t.match((await api('/v1/request-templates')).json(), {
    templates: [{ name: 'fire', ask: { level: 'admin', targets: { names: ['web-*'] }, for: '2h' } }],
  })
  const byApi = await api('/v1/requests', { template: 'fire', target: 'web-01', ticket: 'INC-9', reason: 'net' })
  t.equal(byApi.status, 201, byApi.body)
  const other = byApi.json<{ request: RequestDocument }>().request.id

  const refused: [string[], number, RegExp][] = [
    [['--template', 'fire', '--ticket', 'INC-7'], 2, /The template fire needs a reason: say --reason/],
    [['--template', 'fire', '--reason', 'x'], 2, /needs a ticket of the form INC-\[0-9\]\+: say --ticket/],
    [['--template', 'fire', '--ticket', 'INC-7', '--reason', 'x', '--for', '3h'], 2, /is for 2h at most/],
    [['--template', 'fire', '--target', 'orders', '--ticket', 'INC-7', '--reason', 'x'], 2, /is not for orders/],
    [['--template', 'power', '--reason', 'x'], 1, /There is no template power that you can use/],
    [['--template', 'pwer', '--reason', 'x'], 1, /There is no template pwer that you can use/],
    [[], 2, /or --template NAME/],
  ]
  for (const [argv, status, stderr] of refused)
    t.match(await ssh('alice', 'request', ...argv).ended, { status, stderr }, argv.join(' '))
  t.equal((await api('/v1/requests', { template: 'pwer', reason: 'x' })).status, 404)
  t.equal((await api('/v1/requests', { reason: 'x' })).status, 400)

  await approve(id)
  t.equal((await onWeb('true').ended).status, 0)
  const asked = (await parts.audit.list({ kinds: ['access-request.asked'] })).map(({ data }) => JSON.parse(data))
  t.match(
    asked.find(one => one.request === id),
    { template: 'fire', reason: 'Incident INC-7: disk' },
  )
  t.equal((await asOwner(gateway, ['apply', '-f', '-', '--prune'], { stdin: TEMPLATE_ELSE })).exit, 0)
  t.match((await ssh('alice', 'request', 'show', id).ended).stdout, /template +fire/, 'which is gone by now')
  t.equal((await onWeb('true').ended).status, 0, 'and what was approved goes on')
  for (const one of [id, request.id, other]) t.equal((await as('alice', 'cancel', one)).exit, 0)
})

t.test('the owner sees all and may revoke, and decides on nothing', async t => {
  const id = await asked(`${account}@web-01`)
  t.match((await asOwner(gateway, ['request', 'list', '--all'])).stdout, new RegExp(id))
  t.match((await asOwner(gateway, ['request', 'show', id])).stdout, /alice/)
  t.not((await asOwner(gateway, ['request', 'approve', id])).exit, 0)
  t.equal((await asOwner(gateway, ['request', 'revoke', id, '--reason', 'no'])).exit, 0)
  t.match((await as('alice', 'list', '--json')).stdout, /"revoked"/)
})

t.test('where four eyes are not asked for, whoever may write roles accepts what was approved for good', async t => {
  const id = await asked(`${account}@web-01`, '--permanent')
  const made = new Promise<string>(resolve =>
    parts.proposals.onChange(async ({ what, proposal }) => (what === 'made' ? resolve(proposal.id) : undefined)),
  )
  await approve(id)
  const proposal = await made
  // Told within the transaction.
  while ((await parts.proposals.rows.get(proposal)) === undefined) await setTimeout(20)
  t.match((await asOwner(gateway, ['proposal', 'show', proposal])).stdout, new RegExp(`alice gets ${account}@web-01`))
  await gateway.addRole({ name: 'boss', targets: {}, accounts: {}, api: ['administrate'] })
  await gateway.addUser({ name: 'ada', roles: ['boss'] })
  await gateway.addUser({ name: 'alice-adm', roles: ['boss'], email: 'Alice@example.com' })
  t.strictSame(
    await parts.proposals.decidersOf((await parts.proposals.rows.get(proposal))!),
    ['ada'],
    'administrators are told of it, and not those who are alice',
  )
  const byLee = await withToken(gateway, tokens.lee, ['proposal', 'approve', proposal])
  t.equal(byLee.exit === 0, false, 'not by an approver alone')
  const accepted = await asOwner(gateway, ['proposal', 'approve', proposal])
  t.match(accepted.stdout, /applied by owner/)
  t.equal((await onWeb('true').ended).status, 0, 'she is let in without asking')
  const role = `permanent-${id.slice('req_'.length)}`
  await parts.users.put({ ...(await parts.users.get('alice'))!, roles: ['ops'] })
  await parts.roles.remove(role)
})
