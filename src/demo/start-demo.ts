/** The demo as a whole: two targets, a gateway in front of them, a user with a second factor, an auditor. */

import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { defaultConfig } from '../config/config.ts'
import { type Gateway, startGateway } from '../gateway/start-gateway.ts'
import { userSchema } from '../identity/user.ts'
import { roleSchema } from '../policy/role.ts'
import { generateKeyPair } from '../protocols/ssh/transport/generate-key-pair.ts'
import { rotationPolicySchema } from '../rotation/policies/rotation-policy.ts'
import { createLog } from '../shared/log.ts'
import { Secret } from '../shared/secret.ts'
import { targetSchema } from '../targets/target.ts'
import { initKeyFile } from '../vault/key-provider.ts'
import { makePassword } from './make-password.ts'
import { startDemoPostgres } from './postgres.ts'
import { startDemoSshHost } from './ssh-host.ts'

/** What `npm run demo -- --json` prints. */
export interface DemoFacts {
  readonly ssh: {
    readonly host: string
    readonly port: number
    /** The complete login name. */
    readonly login: string
    readonly identityFile: string
    readonly password: string
    readonly totpSecret: string
    readonly hostKey: string
    readonly knownHostsFile: string
  }
  readonly postgres: {
    readonly host: string
    readonly port: number
    readonly login: string
    readonly password: string
    readonly totpSecret: string
    readonly database: string
    readonly caFile: string
  }
  readonly api: { readonly url: string; readonly token: string; readonly caFile: string; readonly socket: string }
  readonly dataDir: string
  readonly recordings: string
}

export interface Demo {
  readonly facts: DemoFacts
  /** What the QR code holds. */
  readonly totpUrl: string
  /** Ends everything and removes the folder. */
  stop(): Promise<void>
}

const HOST = '127.0.0.1'
const SSH = { target: 'web-01', account: 'root' }
export const SQL = { target: 'orders', account: 'dba', database: 'orders' }

/** Starts everything in a new folder under the system's temporary one, or throws and leaves nothing. */
export async function startDemo(): Promise<Demo> {
  await using started = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-demo-'))
  started.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  // PostgreSQL, which does not run as root, must reach its own folder inside; everything else there is private.
  await chmod(folder, 0o711)
  const home = join(folder, 'home')
  await mkdir(home, { mode: 0o700 })

  const passwords = { ssh: new Secret(makePassword(24)), postgres: new Secret(makePassword(24)) }
  const host = await startDemoSshHost({ account: SSH.account, password: passwords.ssh, name: SSH.target, home })
  started.defer(() => host.close())
  const postgres = await startDemoPostgres({ folder: join(folder, 'postgres'), ...SQL, password: passwords.postgres })
  started.defer(() => postgres.close())

  const gateway = await startDemoGateway(join(folder, 'data'))
  started.defer(() => gateway.stop())
  await addTargets(gateway, host, postgres)
  const { vault } = gateway.parts
  await vault.setCredential(SSH, { kind: 'password', password: passwords.ssh }, 'demo')
  await vault.setCredential(SQL, { kind: 'password', password: passwords.postgres }, 'demo')
  const { facts, totpUrl } = await addPeople(gateway, folder)

  const running = started.move()
  return { facts, totpUrl, stop: () => running.disposeAsync() }
}

async function startDemoGateway(dataFolder: string): Promise<Gateway> {
  await mkdir(dataFolder, { mode: 0o700 })
  const config = defaultConfig(dataFolder)
  config.ssh = { ...config.ssh, host: HOST, port: 0 }
  config.postgres = { ...config.postgres, host: HOST, port: 0 }
  config.api = { ...config.api, host: HOST, port: 0 }
  config.shutdown = { drainMs: 0 }
  config.workers = 1
  await initKeyFile(join(dataFolder, 'vault.key'))
  const log = createLog('info', pino.destination({ dest: join(dataFolder, 'gateway.log'), mode: 0o600, sync: true }))
  return startGateway({ config, log })
}

async function addTargets(gateway: Gateway, host: { port: number; hostKey: string }, postgres: { port: number }) {
  const { targets, roles, rotationPolicies } = gateway.parts
  const common = { host: HOST, allowLocal: true, labels: { env: 'demo' } }
  await targets.put(
    targetSchema.parse({
      ...common,
      protocol: 'ssh',
      name: SSH.target,
      description: 'A small SSH host inside the demo',
      port: host.port,
      hostKeys: [host.hostKey],
      accounts: [{ name: SSH.account, level: 'admin', default: true }],
    }),
  )
  await targets.put(
    targetSchema.parse({
      ...common,
      protocol: 'postgres',
      name: SQL.target,
      description: 'A PostgreSQL of the demo',
      port: postgres.port,
      database: SQL.database,
      databases: ['*'],
      tls: 'disable',
      accounts: [{ name: SQL.account, level: 'admin', default: true, checkOut: {} }],
    }),
  )
  await rotationPolicies.put(
    rotationPolicySchema.parse({
      name: 'after-use',
      description: 'Whoever has had the database to themselves leaves another password behind',
      targets: { names: [SQL.target] },
      after: ['check-in'],
    }),
  )
  await roles.put(
    roleSchema.parse({
      name: 'engineer',
      description: 'Everything on the targets of the demo',
      targets: { labels: { env: 'demo' } },
      accounts: { levels: ['admin'] },
      databases: ['*'],
      rememberFactor: 10 * 60_000,
      checkOut: {},
    }),
  )
}

/** alice, who works, and audrey, who looks at what was done. */
async function addPeople(gateway: Gateway, folder: string): Promise<{ facts: DemoFacts; totpUrl: string }> {
  const { users, factors, tokens, vault } = gateway.parts
  const key = generateKeyPair('ed25519', 'alice@demo')
  const identityFile = join(folder, 'alice.key')
  await writeFile(identityFile, key.secret.revealBytes(), { mode: 0o600 })
  const password = makePassword(12)
  await users.put(userSchema.parse({ name: 'alice', roles: ['engineer'], publicKeys: [key.public.trim()] }))
  await factors.setPassword('alice', new Secret(password))
  const { secret, url } = await factors.enrolTotp('alice')
  const totpSecret = secret.reveal()

  await users.put(userSchema.parse({ name: 'audrey', fullName: 'The auditor' }))
  const token = await tokens.create({ name: 'demo', user: 'audrey', scope: 'auditor' })

  const hostKey = (await vault.ownKey('ssh-host-ed25519', madeAlready)).public.trim()
  const { ssh, postgres, api } = gateway
  const knownHostsFile = join(folder, 'known_hosts')
  await writeFile(knownHostsFile, `[${HOST}]:${ssh!.port} ${hostKey}\n`)
  const caFile = join(folder, 'gateway.crt')
  await writeFile(caFile, (await vault.ownKey('tls', madeAlready)).public)
  const login = ({ account, target }: { account: string; target: string }) => `alice+${account}+${target}`
  const dataDir = join(folder, 'data')
  return {
    totpUrl: url.reveal(),
    facts: {
      ssh: { ...ssh!, login: login(SSH), identityFile, password, totpSecret, hostKey, knownHostsFile },
      postgres: { ...postgres!, login: login(SQL), password, totpSecret, database: SQL.database, caFile },
      api: { url: api.url!, token: token.reveal(), caFile, socket: api.socket! },
      dataDir,
      recordings: join(dataDir, 'recordings'),
    },
  }
}

async function madeAlready(): Promise<never> {
  throw new Error('the gateway makes this key when it starts')
}
