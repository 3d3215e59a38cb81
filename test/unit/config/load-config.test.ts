import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { defaultConfig } from '../../../src/config/config.ts'
import { loadConfig, parseConfig } from '../../../src/config/load-config.ts'
import { GatewayError } from '../../../src/shared/errors.ts'

/** What is said of a text that is no configuration. */
function complaint(text: string): string {
  try {
    parseConfig('/etc/sallyport.yaml', text)
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'CONFIG_INVALID') return error.message
    throw error
  }
  throw new Error(`accepted: ${text}`)
}

t.test('an empty file, and one of comments, is the default configuration', async t => {
  const defaults = defaultConfig('/etc/data')
  t.strictSame(parseConfig('/etc/sallyport.yaml', ''), defaults)
  t.strictSame(parseConfig('/etc/sallyport.yaml', '# nothing\n'), defaults)
  t.match(defaults, {
    dataFolder: '/etc/data',
    database: 'sqlite:/etc/data/sallyport.db',
    vault: { key: { file: '/etc/data/vault.key' } },
    ssh: { enabled: true, port: 2222, loginGraceMs: 120_000, rekeyBytes: 2 ** 30, rekeyMs: 3_600_000 },
    postgres: { enabled: true, port: 5433, tls: undefined, allowPlaintextFromLoopback: false },
    api: { socket: '/etc/data/sallyport.sock' },
    recording: { folder: '/etc/data/recordings', execOutputLimitBytes: 2 ** 20 },
    shutdown: { drainMs: 30_000 },
  })
})

t.test('paths start at the folder of the file, durations and sizes are read', async t => {
  const config = parseConfig(
    '/etc/sallyport/sallyport.yaml',
    `
dataFolder: ../data
database: sqlite:store.db
vault: { key: { file: /run/key } }
ssh: { loginGrace: 90s, rekeyAfter: 64MiB }
postgres: { tls: { keyFile: tls/a.key, certificateFile: tls/a.crt } }
recording: { folder: ../recordings, execOutputLimit: 512KiB }
audit: { file: audit.jsonl }
shutdown: { drain: 2m }
`,
  )
  t.match(config, {
    dataFolder: '/etc/data',
    database: 'sqlite:/etc/sallyport/store.db',
    vault: { key: { file: '/run/key' } },
    ssh: { loginGraceMs: 90_000, rekeyBytes: 64 * 2 ** 20 },
    postgres: { tls: { keyFile: '/etc/sallyport/tls/a.key', certificateFile: '/etc/sallyport/tls/a.crt' } },
    api: { socket: '/etc/data/sallyport.sock' },
    recording: { folder: '/etc/recordings', execOutputLimitBytes: 512 * 1024 },
    audit: { file: '/etc/sallyport/audit.jsonl' },
    shutdown: { drainMs: 120_000 },
  })
})

t.test('a complaint names file, line and column, what was meant, and what to do', async t => {
  const cases: [string, string][] = [
    [
      'ssh:\n  prot: 2200\n',
      '/etc/sallyport.yaml:2:3: The key ssh.prot is not known; did you mean port? (enabled, host, port, ',
    ],
    ['postgress: {}', '/etc/sallyport.yaml:1:1: The key postgress is not known; did you mean postgres? ('],
    [
      'log:\n  level: inof',
      '/etc/sallyport.yaml:2:10: log.level: "inof" is not one of the values; did you mean info? (',
    ],
    ['ssh:\n  port: "2222"', '/etc/sallyport.yaml:2:9: ssh.port: expected a number, and this is a text.'],
    ['ssh: { port: 70000 }', '/etc/sallyport.yaml:1:14: ssh.port: must be at most 65535.'],
    ['ssh: { enabled: yes }', '/etc/sallyport.yaml:1:17: ssh.enabled: expected true or false, and this is a text.'],
    ['ssh: { enabled: }', '/etc/sallyport.yaml:1:17: ssh.enabled: expected true or false, and this is empty.'],
    ['ssh: [1]', '/etc/sallyport.yaml:1:6: ssh: expected a map of keys and values, and this is a list.'],
    [
      'ssh: { loginGrace: 30 }',
      '/etc/sallyport.yaml:1:20: ssh.loginGrace: "30": a duration is a number and s, m, h or d, for example 15m.',
    ],
    ['ssh: { loginGrace: 0s }', '/etc/sallyport.yaml:1:20: ssh.loginGrace: "0s": must be more than 0.'],
    ['ssh: { loginGrace: 25d }', '/etc/sallyport.yaml:1:20: ssh.loginGrace: "25d": at most 24d.'],
    [
      'ssh: { rekeyAfter: 1GB }',
      '/etc/sallyport.yaml:1:20: ssh.rekeyAfter: "1GB": a size is a number and B, KiB, MiB or GiB',
    ],
    [
      'vault: { key: { fil: x } }',
      '/etc/sallyport.yaml:1:15: vault.key.file is missing: a text is expected.\n/etc/sallyport.yaml:1:17: The key vault.key.fil is not known; did you mean file?',
    ],
    [
      'vault: { key: { file: x, environment: Y } }',
      '/etc/sallyport.yaml:1:26: The key vault.key.environment cannot stand here together with the others',
    ],
    [
      'api: { tls: { keyFile: a } }',
      '/etc/sallyport.yaml:1:13: api.tls.certificateFile is missing: a text is expected.',
    ],
    [
      'authentication: { factors: [] }',
      '/etc/sallyport.yaml:1:28: authentication.factors: the list must not be empty.',
    ],
    [
      'authentication: { factors: [[totp], []] }',
      '/etc/sallyport.yaml:1:37: authentication.factors[1]: the list must not be empty.',
    ],
    ['- ssh', '/etc/sallyport.yaml:1:1: the document: expected a map of keys and values, and this is a list.'],
    ['hello', '/etc/sallyport.yaml:1:1: the document: expected a map of keys and values, and this is a text.'],
    ['log: {}\n---\nssh: {}', '/etc/sallyport.yaml:3:1: A configuration is one document: take out the "---".'],
  ]
  for (const [text, expected] of cases) t.equal(complaint(text).slice(0, expected.length), expected, text)
})

t.test('a program is for the accounts that it names; one of an earlier configuration for all', async t => {
  const programs = (text: string) =>
    parseConfig('/etc/sallyport.yaml', `rotation: { programs: { p: { path: /p, ${text} } } }`).rotation.programs.p
  t.match(programs('timeout: 5s, dependentsOf: [app@orders, "*"]'), { connectorOf: undefined })
  t.same(programs('connectorOf: [app@orders, "*@db-*", "svc*@*"]')!.connectorOf, ['app@orders', '*@db-*', 'svc*@*'])
  for (const wrong of ['"**@db"', '"*a*@db"', '"app@*-*"'])
    t.match(complaint(`rotation: { programs: { p: { path: /p, connectorOf: [${wrong}] } } }`), /written as app@orders/)
})

t.test('all problems are told at once, in their order', async t => {
  const lines = complaint('zoo: 1\nlog: { level: loud }\nssh: { port: x, enabled: 1 }').split('\n')
  t.strictSame(
    lines.map(line => line.split(': ')[0]),
    ['/etc/sallyport.yaml:1:1', '/etc/sallyport.yaml:2:15', '/etc/sallyport.yaml:3:14', '/etc/sallyport.yaml:3:26'],
  )
})

t.test('passwords in URLs are not repeated', async t => {
  t.notMatch(complaint('database: mysql://user:geheim@host/db'), /geheim/)
  t.notMatch(complaint('cluster: { redis: "http://:ge@heim@host" }'), /ge|heim@/)
})

t.test('the environment gives the URLs that hold passwords', async t => {
  const environment = { SALLYPORT_DATABASE_URL: 'postgres://a:b@db/x', SALLYPORT_REDIS_URL: 'redis://:c@redis' }
  const config = parseConfig(
    '/etc/s.yaml',
    'database: sqlite:other.db\ncluster: { redis: redis://old, redisCaFile: ca.pem }',
    environment,
  )
  t.match(config, {
    database: 'postgres://a:b@db/x',
    cluster: { redis: 'redis://:c@redis', redisCaFile: '/etc/ca.pem' },
  })
  for (const name of Object.keys(environment)) {
    const wrong = () => parseConfig('/etc/s.yaml', '', { [name]: 'geheim' })
    t.throws(wrong, {
      code: 'CONFIG_INVALID',
      message: new RegExp(`^The environment variable ${name} cannot be used: `),
    })
    t.throws(wrong, { message: /^((?!geheim).)*$/s })
  }
})

t.test('a file is loaded, and one that is not there is told as such', async t => {
  const folder = t.testdir()
  writeFileSync(join(folder, 'sallyport.yaml'), 'ssh: { port: 0 }')
  const config = await loadConfig(join(folder, 'sallyport.yaml'), {})
  t.match(config, { ssh: { port: 0 }, dataFolder: join(folder, 'data') })
  await t.rejects(loadConfig(join(folder, 'none.yaml'), {}), {
    code: 'CONFIG_INVALID',
    message: /cannot be read: ENOENT.*--config/,
  })
})
