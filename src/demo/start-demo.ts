/** The demo as a whole: two targets, a gateway in front of them, one who works with a second factor, one who approves, an auditor. */

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
    /** That of an account which somebody must approve first. */
    readonly onRequest: string
    readonly identityFile: string
    readonly password: string
    readonly totpSecret: string
    readonly hostKey: string
    readonly knownHostsFile: string
  }
  /** Who decides on what alice asks for: logs in at the same address. */
  readonly approver: { readonly login: string; readonly identityFile: string; readonly totpSecret: string }
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
const SSH = { target: 'web-01', account: 'root' } as const
/** Given on request alone. */
export const ON_REQUEST = { target: 'web-01', account: 'backup' } as const
export const SQL = { target: 'orders', account: 'dba', database: 'orders' } as const

/** Starts everything in a new folder under the system's temporary one, or throws and leaves nothing. */
export async function startDemo(): Promise<Demo> {
  await using started = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-demo-'))
  started.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  // PostgreSQL, which does not run as root, must reach its own folder inside; everything else there is private.
  await chmod(folder, 0o711)
  const home = join(folder, 'home')
  await mkdir(home, { mode: 0o700 })

  const passwordOf = { root: newPassword(), backup: newPassword(), dba: newPassword() }
  const { dba, ...accounts } = passwordOf
  const host = await startDemoSshHost({ accounts, name: SSH.target, home })
  started.defer(() => host.close())
  const postgres = await startDemoPostgres({ folder: join(folder, 'postgres'), ...SQL, password: dba })
  started.defer(() => postgres.close())

  const gateway = await startDemoGateway(join(folder, 'data'))
  started.defer(() => gateway.stop())
  await addTargets(gateway, host, postgres)
  const { vault } = gateway.parts
  for (const account of [SSH, ON_REQUEST, SQL] as const)
    await vault.setCredential(account, { kind: 'password', password: passwordOf[account.account] }, 'demo')
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
      accounts: [
        { name: SSH.account, level: 'admin', default: true },
        { name: ON_REQUEST.account, level: 'system' },
      ],
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
      onRequest: [{ accounts: { levels: ['system'] }, approvers: ['role:lead'], maxTime: 3_600_000 }],
    }),
  )
  await roles.put(
    roleSchema.parse({
      name: 'lead',
      description: 'Who decides on what is asked for',
      targets: { names: [] },
      accounts: { levels: [] },
    }),
  )
}

/** alice, who works, lee, who approves, and audrey, who looks at what was done. */
async function addPeople(gateway: Gateway, folder: string): Promise<{ facts: DemoFacts; totpUrl: string }> {
  const { factors, users, tokens, vault } = gateway.parts
  const alice = await addPerson(gateway, folder, { name: 'alice', roles: ['engineer'] })
  const lee = await addPerson(gateway, folder, { name: 'lee', roles: ['lead'] })
  const password = makePassword(12)
  await factors.setPassword('alice', new Secret(password))

  await users.put(userSchema.parse({ name: 'audrey', fullName: 'The auditor' }))
  const token = await tokens.create({ name: 'demo', user: 'audrey', scope: 'auditor' })

  const hostKey = (await vault.ownKey('ssh-host-ed25519', madeAlready)).public.trim()
  const { ssh, postgres, api } = gateway
  const { identityFile, totpSecret } = alice
  const knownHostsFile = join(folder, 'known_hosts')
  await writeFile(knownHostsFile, `[${HOST}]:${ssh!.port} ${hostKey}\n`)
  const caFile = join(folder, 'gateway.crt')
  await writeFile(caFile, (await vault.ownKey('tls', madeAlready)).public)
  const login = ({ account, target }: { account: string; target: string }) => `alice+${account}+${target}`
  const dataDir = join(folder, 'data')
  return {
    totpUrl: alice.totpUrl,
    facts: {
      ssh: {
        ...ssh!,
        login: login(SSH),
        onRequest: login(ON_REQUEST),
        identityFile,
        password,
        totpSecret,
        hostKey,
        knownHostsFile,
      },
      approver: { login: 'lee', identityFile: lee.identityFile, totpSecret: lee.totpSecret },
      postgres: { ...postgres!, login: login(SQL), password, totpSecret, database: SQL.database, caFile },
      api: { url: api.url!, token: token.reveal(), caFile, socket: api.socket! },
      dataDir,
      recordings: join(dataDir, 'recordings'),
    },
  }
}

/** With a key in the folder, and a second factor. */
async function addPerson({ parts }: Gateway, folder: string, { name, roles }: { name: string; roles: string[] }) {
  const key = generateKeyPair('ed25519', `${name}@demo`)
  const identityFile = join(folder, `${name}.key`)
  await writeFile(identityFile, key.secret.revealBytes(), { mode: 0o600 })
  await parts.users.put(userSchema.parse({ name, roles, publicKeys: [key.public.trim()] }))
  const { secret, url } = await parts.factors.enrolTotp(name)
  return { identityFile, totpSecret: secret.reveal(), totpUrl: url.reveal() }
}

function newPassword(): Secret {
  return new Secret(makePassword(24))
}

async function madeAlready(): Promise<never> {
  throw new Error('the gateway makes this key when it starts')
}
