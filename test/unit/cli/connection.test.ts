import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { keepStart } from '../../../src/cli/commands/session/keep-start.ts'
import { chooseConnection } from '../../../src/cli/connection.ts'
import { writeLogins } from '../../../src/cli/files/logins.ts'
import { generateTlsCertificate } from '../../../src/shared/tls/issue-certificate.ts'

const fromConfig = async () => '/from/config.sock'
const TOKEN = `sp_${'x'.repeat(43)}`

t.test('what is typed stands above the environment, and that above the configuration', async t => {
  const all = { SALLYPORT_SOCKET: '/from/env.sock', SALLYPORT_URL: 'https://env:1', SALLYPORT_TOKEN: TOKEN }
  const { SALLYPORT_URL: _, ...socketOnly } = all
  t.same(await chooseConnection({ socket: '/typed.sock' }, all, fromConfig), { socket: '/typed.sock' })
  t.match(await chooseConnection({ url: 'https://typed:2' }, all, fromConfig), { url: { host: 'typed:2' } })
  t.match(await chooseConnection({}, all, fromConfig), { url: { host: 'env:1' } })
  t.same(await chooseConnection({}, socketOnly, fromConfig), { socket: '/from/env.sock' })
  t.same(await chooseConnection({ config: 'x.yaml' }, all, fromConfig), { socket: '/from/config.sock' })
  t.same(await chooseConnection({}, {}, fromConfig), { socket: '/from/config.sock' })
})

t.test(
  'who is logged in needs no words for it; a socket, a URL or a configuration that is named counts before',
  async t => {
    const home = t.testdir()
    const env = { HOME: home }
    const { certificate } = await ownCertificate()
    const login = {
      user: 'alice',
      name: 'x',
      token: 'sallyport_pat_x',
      expiresAt: '2030-01-01T00:00:00Z',
      certificate,
      ssh: 'alice@gw',
    }
    const logins = { version: 1 as const, current: 'https://gw:8443', logins: { 'https://gw:8443': login } }
    t.equal(await writeLogins(env, logins), join(home, '.config/sallyport/logins.json'))
    const now = Date.parse('2029-01-01T00:00:00Z')
    const choose = (options: object, more: NodeJS.ProcessEnv = {}) =>
      chooseConnection(options, { ...env, ...more }, fromConfig, now)
    t.match(await choose({}), { url: { host: 'gw:8443' }, ca: [certificate] })
    t.match(await choose({ url: 'https://gw:8443/' }), { url: { host: 'gw:8443' }, ca: [certificate] })
    const typed = await choose({ url: 'https://gw:8443' }, { SALLYPORT_TOKEN: TOKEN })
    t.equal('token' in typed && typed.token.reveal(), TOKEN, 'a token that is given counts before')
    await t.rejects(choose({ url: 'https://other:8443' }), { message: /needs a token/, hint: /sallyport login/ })
    t.same(await choose({}, { SALLYPORT_SOCKET: '/x.sock' }), { socket: '/x.sock' })
    t.same(await choose({}, { SALLYPORT_CONFIG: 'x.yaml' }), { socket: '/from/config.sock' })
    t.same(await choose({ config: 'x.yaml' }), { socket: '/from/config.sock' })
    t.same(await chooseConnection({}, { ...env, XDG_CONFIG_HOME: '/nowhere' }, fromConfig), {
      socket: '/from/config.sock',
    })
    t.match(
      await choose({}, { XDG_CONFIG_HOME: 'relative' }),
      { url: { host: 'gw:8443' } },
      'a relative one does not count',
    )
    const late = chooseConnection({}, env, fromConfig, Date.parse('2031-01-01T00:00:00Z'))
    await t.rejects(late, { exit: 4, message: /of alice at .* has ended/, hint: 'sallyport login --ssh alice@gw' })
  },
)

async function ownCertificate(): Promise<{ certificate: string }> {
  return { certificate: (await generateTlsCertificate(['gw'], Date.now())).cert }
}

t.test('a token goes only over TLS, and comes from a file or the environment', async t => {
  const folder = t.testdir({ token: `${TOKEN}\n`, empty: '\n' })
  const options = { url: 'https://gateway:8443', tokenFile: join(folder, 'token') }
  const connection = await chooseConnection(options, {}, fromConfig)
  t.equal('token' in connection && connection.token.reveal(), TOKEN)
  for (const url of ['http://gateway:8443', 'gateway:8443', 'file:///etc/passwd', '']) {
    await t.rejects(chooseConnection({ ...options, url }, {}, fromConfig), { exit: 2, message: /https/ }, url)
  }
  const without = { url: 'https://gateway:8443' }
  await t.rejects(chooseConnection(without, {}, fromConfig), { message: /needs a token/, hint: /SALLYPORT_TOKEN/ })
  await t.rejects(chooseConnection({ ...without, tokenFile: join(folder, 'empty') }, {}, fromConfig), {
    exit: 2,
    message: /needs a token/,
  })
  await t.rejects(chooseConnection({ ...without, tokenFile: join(folder, 'none') }, {}, fromConfig), {
    exit: 2,
    message: /cannot be read/,
  })
  writeFileSync(join(folder, 'ca'), 'PEM')
  const trusted = await chooseConnection({ ...options, ca: join(folder, 'ca') }, {}, fromConfig)
  t.equal('ca' in trusted && trusted.ca, 'PEM')
})

t.test('a short stream is kept and read again, a long one is asked for anew', async t => {
  let opened = 0
  async function* source(chunks: number) {
    for (let index = 0; index < chunks; index++) yield Buffer.from(String(index))
  }
  const read = async (stream: AsyncIterable<Buffer>) => Buffer.concat(await Array.fromAsync(stream)).toString()
  const open = (chunks: number) => async () => {
    opened++
    return source(chunks)
  }
  const short = await keepStart(open(5), 10)
  t.same([await read(await short()), await read(await short())], ['01234', '01234'])
  t.equal(opened, 1)
  const long = await keepStart(open(9), 3)
  t.same([await read(await long()), await read(await long())], ['012345678', '012345678'])
  t.equal(opened, 3)
})
