/** `sallyport login --ssh`: a personal token by the system's ssh, kept in a file, and the same commands with it. */

import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { asOwner, cli } from '../../support/run-cli.ts'
import { answering, clientOptions } from '../../support/ssh-client.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { startSshd } from '../../support/start-sshd.ts'
import { addWeb01, runSession } from '../../support/web-01.ts'

const sshd = await startSshd()
t.teardown(() => sshd.stop())
const gateway = await startTestGateway()
t.teardown(() => gateway.close())
const { parts } = gateway
await gateway.addRole({ name: 'auditing', targets: {}, accounts: {}, api: ['audit', 'own-replay'] })
await gateway.addRole({ name: 'operating', targets: {}, accounts: {}, api: ['operate'] })
const alice = await addWeb01(gateway, sshd)
const bob = await gateway.addUser({ name: 'bob', roles: ['ops'] })
await parts.users.put({ ...(await parts.users.get('alice'))!, roles: ['ops', 'auditing', 'operating'] })

const { folder, env } = answering({ password: alice.password })
t.teardown(() => rmSync(folder, { recursive: true }))
const file = join(folder, '.config', 'sallyport', 'logins.json')
const run = (...words: string[]) => cli(words, { env })

async function login(...given: (string | { url: string })[]) {
  const more = given.filter(one => typeof one === 'string')
  const [{ url } = { url: gateway.api.url! }] = given.filter(one => typeof one !== 'string')
  const { host, port } = gateway.ssh!
  writeFileSync(join(folder, 'code'), alice.code())
  const to = ['--ssh', `alice@${host}`, '--port', String(port)]
  const options = clientOptions({ password: alice.password })
  return cli(['--url', url, 'login', ...to, ...more, '--', ...options], { env })
}

t.test('who logs in sees what is their own, by the same commands as the owner', async t => {
  t.match(await run('whoami'), { exit: 3 }, 'nobody is logged in, and no gateway runs here')
  t.match(await login(), { exit: 0, stdout: /Logged in at https:.* as alice, for own, until/ })
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.equal(statSync(dirname(file)).mode & 0o777, 0o700)
  t.match(await run('whoami'), { exit: 0, stdout: /^user +alice\n.*^may +own$/ms })
  const mine = await runSession(gateway, alice, sshd.account, 'echo shown')
  const his = await runSession(gateway, bob, sshd.account, 'true')
  const listed = await run('session', 'list')
  t.match(listed.stdout, mine.session)
  t.notMatch(listed.stdout, his.session)
  t.match(await run('session', 'show', 'last'), { exit: 0, stdout: mine.session })
  t.match(await run('session', 'show', his.session), { exit: 1, stderr: /no session .* of yours/ })
  t.match(await run('session', 'list', '--user', 'bob'), { exit: 4, stderr: /not bob's/ })
  t.match(await run('session', 'export', mine.session, '--format', 'text'), { exit: 4, stderr: /scope own-replay/ })
  t.match(await run('target', 'list'), { exit: 0, stdout: new RegExp(`${sshd.account}@web-01`) })
  t.match(await run('explain', 'alice', `${sshd.account}@web-01`), { exit: 0, stdout: /^Yes/ })
  t.match(await run('explain', 'alice', 'root@nowhere'), { exit: 1, stdout: /not allowed for you, or do not exist/ })
  t.match(await run('explain', 'bob', 'root@nowhere'), { exit: 4 })
  t.match(await run('session', 'kill', mine.session), { exit: 4, stderr: /scope operate; this one has own/ })
  t.match(await run('token', 'list'), { exit: 0, stdout: /^tok_.* own /m })
})

t.test('who logs in anew may do what the new token is for, and the old one has ended', async t => {
  const [mine] = await parts.sessions.list({ user: 'alice', limit: 1 })
  const [his] = await parts.sessions.list({ user: 'bob', limit: 1 })
  const [before] = await parts.personalAccess.list('alice')
  t.match(await login('--scope', 'all'), { exit: 0, stdout: /for own,own-replay,audit,operate/ })
  const now = await parts.personalAccess.list('alice')
  t.notOk(
    now.some(({ name }) => name === before!.name),
    'the token of the login before has ended',
  )
  t.match((await run('session', 'list')).stdout, his!.id)
  t.match(await run('session', 'export', mine!.id, '--format', 'text'), { exit: 0, stdout: /shown/ })
  t.match(await run('audit', 'list', '--limit', '1'), { exit: 0 })
  t.match(await run('apply', '-f', '-'), { exit: 4, stderr: /scope administrate/ })
})

t.test('what cannot be had is said, and the login that there was stays', async t => {
  t.match(await login('--scope', 'administrate'), { exit: 4 }, 'no role gives it; ssh has said so')
  t.match(await login('--expires', '99d'), { exit: 2 })
  t.match(await login('--scope', '$(reboot)'), { exit: 2, stderr: /--scope: .* is not understood/ })
  t.match(await cli(['login', '--ssh', '-oProxyCommand=x@y'], { env }), { exit: 2 })
  const elsewhere = await login({ url: 'https://127.0.0.1:1' })
  t.match(elsewhere, { exit: 3, stderr: /cannot be reached.*api.host.*not kept: end it with `ssh alice@127/s })
  const [, left = ''] = /tokens revoke (\S+)`/.exec(elsewhere.stderr) ?? []
  t.equal(await parts.personalAccess.revoke('alice', left, { actor: 'alice' }), true)
  t.match(await run('whoami'), { exit: 0 }, 'the login that there was is still good')
})

t.test(
  'a gateway that answers with what is not hers changes no login, and shows nothing of its own making',
  async t => {
    const person = { user: 'bob', proven: new Set(['password', 'totp'] as const), sourceAddress: '127.0.0.1' }
    const { text, name, expiresAt } = await parts.personalAccess.create(person, { scopes: 'all', validForMs: 60_000 })
    const { logins, current } = JSON.parse(readFileSync(file, 'utf8'))
    const { certificate } = logins[current]
    const bobs = { token: text.reveal(), name, user: 'bob', expiresAt: new Date(expiresAt).toISOString() }
    const api = { url: gateway.api.url, port: 1, certificate }
    const kept = readFileSync(file, 'utf8')
    const hostile = mkdtempSync(join(folder, 'bin-'))
    const answered = async (answer: object, meanwhile = '') => {
      writeFileSync(join(hostile, 'answer'), JSON.stringify({ ...bobs, api, ...answer }))
      writeFileSync(join(hostile, 'ssh'), `#!/bin/sh\n${meanwhile}\ncat '${hostile}/answer'\n`, { mode: 0o700 })
      return cli(['login', '--ssh', 'alice@elsewhere'], { env: { ...env, PATH: `${hostile}:${env.PATH}` } })
    }
    t.match(await answered({}), { exit: 5, stderr: /a token that is not alice's at https:/ })
    t.match(await answered({ user: 'alice' }), { exit: 5, stderr: /a token that is not alice's/ })
    for (const answer of [
      { name: 'x; rm -r ~' },
      { user: '\u001b]0;x\u0007' },
      { expiresAt: 'never' },
      { token: 'sp_x' },
    ])
      t.match(await answered(answer), { exit: 5, stderr: /did not answer with a token/ })
    t.equal(readFileSync(file, 'utf8'), kept)

    const own = { ...person, user: 'alice' }
    const hers = await parts.personalAccess.create(own, { scopes: 'all', validForMs: 60_000 })
    const other = JSON.stringify({ version: 1, current, logins: { ...logins, 'https://other:1': logins[current] } })
    writeFileSync(join(hostile, 'other'), other)
    const both = { user: 'alice', name: hers.name, token: hers.text.reveal() }
    t.match(await answered(both, `cat '${hostile}/other' > '${file}'`), { exit: 0 })
    t.same(
      Object.keys(JSON.parse(readFileSync(file, 'utf8')).logins),
      [current, 'https://other:1'],
      'a login that another command stored meanwhile stays',
    )
    writeFileSync(file, readFileSync(file, 'utf8').replace(/,\s*"https:\/\/other:1": \{[^}]*\}/, ''))
    t.match(await login(), { exit: 0 })
  },
)

t.test('a file that others may read, that is over or broken is not used', async t => {
  const nowhere = { PATH: env.PATH, HOME: '/dev/null' }
  t.match(await cli(['whoami'], { env: nowhere }), { exit: 3 }, 'a home that is no folder has no logins')
  chmodSync(file, 0o644)
  t.match(await run('whoami'), { exit: 4, stderr: /may be read by others/ })
  chmodSync(file, 0o600)
  const kept = readFileSync(file, 'utf8')
  writeFileSync(file, kept.replace(/"expiresAt": "[^"]*"/, '"expiresAt": "2020-01-01T00:00:00Z"'))
  t.match(await run('whoami'), { exit: 4, stderr: /has ended.\n.*sallyport login --ssh alice@127/ })
  writeFileSync(file, '{}')
  t.match(await run('whoami'), { exit: 2, stderr: /is not what .* writes/ })
  writeFileSync(file, kept)
})

t.test('who logs out has no token any more, there and here', async t => {
  t.match(
    await asOwner(gateway, ['whoami'], { env }),
    { exit: 0, stdout: /^user +owner/ },
    'a socket that is named counts before it',
  )
  t.match(await run('logout'), { exit: 0, stdout: /Logged out/ })
  t.same(await parts.personalAccess.list('alice'), [])
  t.notMatch(readFileSync(file, 'utf8'), /sallyport_pat_/)
  t.match(await run('logout'), { exit: 1, stderr: /not logged in/ })
  t.notMatch(gateway.logLines.join(''), /sallyport_pat_[0-9A-Za-z]{20}/)
})
