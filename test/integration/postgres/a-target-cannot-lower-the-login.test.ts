/** What a target may ask for is the gateway's to say: whoever rules the target does not get the vault's password by asking otherwise. */

import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type * as Ssh2 from 'ssh2'
import t, { type Test } from 'tap'
import { Secret } from '../../../src/shared/secret.ts'
import { type TargetInput, targetSchema } from '../../../src/targets/target.ts'
import { RIGHT_ANSWER, startPostgresFront } from '../../support/postgres-front.ts'
import { psql } from '../../support/psql.ts'
import { asOwner } from '../../support/run-cli.ts'
import { startSshGateway } from '../../support/ssh-gateway.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { type PasswordHostOptions, startPasswordHost } from '../../support/start-password-host.ts'
import { startPostgres } from '../../support/start-postgres.ts'
import { startSshd } from '../../support/start-sshd.ts'

const PASSWORD = 'S3cr3t of the vault'

/** Takes every connection and keeps what comes: what an attacker would run. */
async function startThief(t: Test) {
  const taken: Buffer[] = []
  const server = createServer(socket => {
    socket.on('error', () => undefined)
    socket.on('data', bytes => taken.push(bytes))
    taken.push(Buffer.from('connected'))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return { port: (server.address() as { port: number }).port, taken }
}

t.test('an ldap line in pg_hba.conf does not bring the password into the clear', async t => {
  const thief = await startThief(t)
  const orders = await startPostgres({
    tls: true,
    hba: [`hostssl all app 127.0.0.1/32 ldap ldapserver=127.0.0.1 ldapport=${thief.port} ldapprefix="cn="`],
    sql: `create role app login password '${PASSWORD}'`,
  })
  t.teardown(() => orders.stop())
  const ca = readFileSync(orders.caFile!, 'utf8')
  const target = { host: 'localhost', port: orders.port, tls: 'verify-full', ca } as const
  const front = await startPostgresFront({ target, account: 'app', password: PASSWORD })
  t.teardown(() => front.close())
  const connection = `host=localhost port=${front.port} user=alice+app+orders sslmode=require`
  const { stdout, stderr } = await psql(connection, RIGHT_ANSWER, ['select 1'])
  t.equal(stdout, '')
  t.match(stderr, /TARGET_AUTHENTICATION_REFUSED: The target orders asks for the password in clear text \(password\)/)
  t.match(stderr, /its entry allows scram-sha-256/)
  t.same(thief.taken, [], 'nobody was asked about the password')
})

t.test('what databases ask for is learnt beforehand, without a password', async t => {
  const gateway = await startTestGateway()
  t.teardown(() => gateway.close())
  const orders = await startPostgres({
    hba: ['trust', 'password', 'md5', 'ldap ldapserver=127.0.0.1 ldapprefix="cn="', 'reject', 'scram-sha-256'].map(
      (method, i) => `host all a${i} 127.0.0.1/32 ${method}`,
    ),
    sql: "set password_encryption = md5; create role a2 login password 'x'",
  })
  t.teardown(() => orders.stop())
  const { host, port } = orders
  const accounts = Array.from({ length: 6 }, (_, i) => ({ name: `a${i}` }))
  const { targets } = gateway.parts
  await targets.put(
    targetSchema.parse({
      name: 'orders',
      protocol: 'postgres',
      host,
      allowLocal: true,
      port,
      tls: 'disable',
      authentication: ['scram-sha-256', 'md5'],
      accounts,
    }),
  )
  await targets.put(
    targetSchema.parse({
      name: 'gone',
      protocol: 'postgres',
      host,
      allowLocal: true,
      port: 1,
      tls: 'disable',
      accounts,
    }),
  )
  // What could not be asked is not said to be refused.
  t.match(await asOwner(gateway, ['--json', 'target', 'logins']), {
    exit: 1,
    stdout: /"target": "gone",\s+"account": "",\s+"asks": "[^"]+",\s+"allowed": null/,
  })
  const result = await asOwner(gateway, ['--json', 'target', 'logins', 'orders'])
  t.equal(result.exit, 1)
  t.match(
    result.json<{ logins: { asks: string; allowed: boolean }[] }>().logins.map(({ asks, allowed }) => [asks, allowed]),
    [
      ['none', false],
      ['password', false],
      ['md5', true],
      ['password', false],
      [/^refused: /, false],
      ['scram-sha-256', true],
    ],
  )
  t.match(await asOwner(gateway, ['target', 'logins']), {
    exit: 1,
    stdout: /gone .*could not be reached\. +not known\n.*orders +a0 +none +no\n/s,
    stderr: /Not every login is one that the entry allows/,
  })
})

type Entry = Partial<Extract<TargetInput, { protocol: 'ssh' }>>

async function gatewayFor(t: Test) {
  const parts = await startSshGateway(t, { role: { accounts: { names: ['app'] } } })
  return async (entry: Entry, material: Parameters<typeof parts.gateway.addTarget>[1]) => {
    await parts.gateway.addTarget(
      { name: 'web-01', protocol: 'ssh', host: '127.0.0.1', ...entry, accounts: [{ name: 'app' }] },
      material,
    )
    return await parts.run(
      'ssh',
      ...parts.options,
      '-p',
      String(parts.gateway.ssh!.port),
      '-l',
      'alice+app+web-01',
      '127.0.0.1',
      'true',
    ).ended
  }
}

t.test('a password goes to an SSH target once, and only for one question that does not echo', async t => {
  const login = await gatewayFor(t)
  const app = { app: { kind: 'password', password: new Secret(PASSWORD) } } as const
  const ask =
    (prompts: { prompt: string; echo: boolean }[], again: number) =>
    (context: Ssh2.AuthContext, given: [string, string][]) => {
      if (context.method !== 'keyboard-interactive') return context.reject(['keyboard-interactive'])
      const round = (left: number) =>
        context.prompt(prompts, answers => {
          given.push(...answers.map(answer => ['answer', answer] as [string, string]))
          if (left > 0) round(left - 1)
          else context.reject(['keyboard-interactive'])
        })
      round(again)
    }
  const hidden = { prompt: 'Password: ', echo: false }
  for (const [story, entry, behave, expected, code] of [
    ['two questions', {}, ask([hidden, hidden], 0), [], 'TARGET_AUTHENTICATION_REFUSED'],
    ['a question that echoes', {}, ask([{ prompt: 'Password: ', echo: true }], 0), [], 'TARGET_AUTHENTICATION_REFUSED'],
    [
      'the same question again and again',
      {},
      ask([hidden], 5),
      [['answer', PASSWORD]],
      'TARGET_AUTHENTICATION_REFUSED',
    ],
    ['no question, for ever', {}, ask([], 1000), [], 'TARGET_AUTHENTICATION_REFUSED'],
    [
      'a method that the entry does not allow',
      { authentication: ['password'] },
      ask([hidden], 0),
      [],
      'TARGET_AUTHENTICATION_REFUSED',
    ],
    [
      'refused, and offered again by another method',
      {},
      context => context.reject(['password', 'keyboard-interactive']),
      [['app', PASSWORD]],
      'TARGET_LOGIN_FAILED',
    ],
    ['anybody is let in', {}, context => context.accept(), [], 'TARGET_AUTHENTICATION_REFUSED'],
    ['a key is asked for', {}, context => context.reject(['publickey']), [], 'TARGET_AUTHENTICATION_REFUSED'],
  ] as [string, Entry, NonNullable<PasswordHostOptions['behave']>, [string, string][], string][]) {
    const { port, hostKeys, given } = await startPasswordHost(t, { behave })
    const { stderr } = await login({ port, hostKeys, ...entry }, app)
    t.match(stderr, code, story)
    t.same(given, expected, story)
    t.notMatch(stderr, PASSWORD)
  }
})

t.test('a key signs only where the entry lets the target ask for one', async t => {
  const login = await gatewayFor(t)
  const sshd = await startSshd()
  t.teardown(() => sshd.stop())
  const key = { app: { kind: 'private-key', privateKey: new Secret(sshd.privateKey) } } as const
  const { port, hostKeys } = sshd
  const { stderr } = await login({ port, hostKeys, authentication: ['password'] }, key)
  t.match(stderr, /TARGET_AUTHENTICATION_REFUSED/)
  t.notMatch(sshd.log(), /publickey/)
})

t.test('the audit log finds such targets by a kind of their own', async t => {
  const { gateway, ssh, sshd } = await startSshGateway(t)
  const target = (await gateway.parts.targets.get('web-01'))!
  await gateway.parts.targets.put({ ...target, authentication: ['password'] } as typeof target)
  t.match((await ssh('true').ended).stderr, /TARGET_AUTHENTICATION_REFUSED/)
  t.notMatch(sshd.log(), /Accepted/)
  const events = await gateway.parts.database
    .selectFrom('audit_events')
    .select(['kind', 'data'])
    .orderBy('seq')
    .execute()
  t.match(events.find(event => event.kind === 'target.authentication-refused')?.data, /web-01/)
})
