import t, { type Test } from 'tap'
import { Secret } from '../../../src/shared/secret.ts'
import type { TargetInput } from '../../../src/targets/target.ts'
import { RIGHT_ANSWER, startPostgresFront } from '../../support/postgres-front.ts'
import { psql } from '../../support/psql.ts'
import { clientOptions, startClient } from '../../support/ssh-client.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { startPostgres } from '../../support/start-postgres.ts'
import { startSshd } from '../../support/start-sshd.ts'

const server = await startPostgres({ settings: { log_line_prefix: '%a>', log_statement: 'all' } })
t.teardown(() => server.stop())
const sshd = await startSshd({ config: ['AcceptEnv SALLYPORT_*'] })
t.teardown(() => sshd.stop())
const gateway = await startTestGateway()
t.teardown(() => gateway.close())
await gateway.addRole({ name: 'ops', targets: { names: ['*'] }, accounts: { names: [sshd.account] } })
const alice = await gateway.addUser({ name: 'alice', roles: ['ops'] })

type Places = Extract<TargetInput, { protocol: 'postgres' }>['showUserIn']

/** What psql prints, when the entry says so and the person's environment is this. */
async function ask(t: Test, showUserIn: Places, environment: Record<string, string>, commands: string[]) {
  const front = await startPostgresFront({
    target: { port: server.port, ...(showUserIn === undefined ? {} : { showUserIn }) },
    account: server.superuser,
    password: server.superPassword,
  })
  t.teardown(() => front.close())
  const connection = `host=localhost port=${front.port} user=alice+postgres+orders sslmode=require`
  const { stdout, stderr } = await psql(connection, RIGHT_ANSWER, commands, { environment })
  return stdout || stderr
}

const ACTIVITY = 'select application_name from pg_stat_activity where pid = pg_backend_pid()'

t.test('the application name says who it is, and still what they use', async t => {
  t.equal(await ask(t, ['application_name'], {}, [ACTIVITY]), 'alice via sallyport: psql')
  t.match(server.log(), /alice via sallyport: psql>LOG: +statement: select application_name/, 'also in the log, as %a')
  t.equal(await ask(t, ['application_name'], { PGAPPNAME: '' }, [ACTIVITY]), 'alice via sallyport')
  const long = `bob via sallyport: ${'x'.repeat(80)}`
  t.equal(
    await ask(t, ['application_name'], { PGAPPNAME: long }, [ACTIVITY]),
    `alice via sallyport: ${long}`.slice(0, 63),
  )
  t.equal(await ask(t, ['application_name'], { PGAPPNAME: 'größe\t' }, [ACTIVITY]), 'alice via sallyport: gr??e?')
})

t.test('no other spelling of the startup sets it otherwise', async t => {
  for (const options of ['-c application_name=bob', '-c APPLICATION_NAME=bob', '--application-name=bob']) {
    t.match(
      await ask(t, ['application_name'], { PGOPTIONS: options, PGAPPNAME: 'psql' }, [ACTIVITY]),
      /^alice via sallyport: /,
    )
  }
  for (const options of ['-c sallyport.user=bob', '--sallyport.user=bob', '-c Sallyport.User=bob']) {
    t.match(await ask(t, ['setting'], { PGOPTIONS: options }, ['select 1']), /CHANNEL_DENIED/)
  }
})

t.test('settings of the gateway name the person and the session, for triggers and policies of rows', async t => {
  t.match(
    await ask(t, ['setting'], {}, ["select current_setting('sallyport.user'), current_setting('sallyport.session')"]),
    /^alice\|ses_\w+$/,
  )
  t.equal(await ask(t, ['setting'], {}, [ACTIVITY]), 'psql')
})

t.test('an entry that says nothing of it leaves everything as the client has it', async t => {
  const settings = "select current_setting('sallyport.user', true)"
  t.equal(await ask(t, undefined, { PGAPPNAME: 'my tool' }, [ACTIVITY, settings]), 'my tool')
})

async function onHost(
  entry: Partial<Extract<TargetInput, { protocol: 'ssh' }>>,
  command: string,
  options: string[] = [],
) {
  const { host, port, hostKeys, account, privateKey } = sshd
  await gateway.addTarget(
    { name: 'web-01', protocol: 'ssh', host, port, hostKeys, accounts: [{ name: account }], ...entry },
    { [account]: { kind: 'private-key', privateKey: new Secret(privateKey) } },
  )
  const login = { password: alice.password, code: alice.code }
  const at = ['-p', String(gateway.ssh!.port), '-l', `alice+${account}+web-01`, gateway.ssh!.host]
  const { stdout } = await startClient('ssh', [...clientOptions(login), ...options, ...at, command], login).ended
  return stdout.trim()
}

t.test('where sshd accepts it, the environment names the person and the session', async t => {
  const shown = await onHost({}, 'echo $SALLYPORT_USER $SALLYPORT_SESSION')
  t.match(shown, /^alice ses_\w+$/)
  const [session] = await gateway.parts.sessions.list({ limit: 1 })
  t.equal(shown, `alice ${session!.id}`)
  t.match(await onHost({}, 'echo $SALLYPORT_USER', ['-tt']), /^alice/, 'with a terminal, too')
})

t.test('a client cannot say that it is somebody else', async t => {
  const claims = ['-o', 'SetEnv=SALLYPORT_USER=bob SALLYPORT_SESSION=none']
  t.match(await onHost({}, 'echo $SALLYPORT_USER $SALLYPORT_SESSION', claims), /^alice ses_/)
  t.equal(await onHost({ showUserIn: [] }, 'echo "<$SALLYPORT_USER>"', claims), '<>')
})
