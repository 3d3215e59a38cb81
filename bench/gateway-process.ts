/** The gateway that is measured, in a process of its own: reads what it needs from its argument, serves until stdin ends. */

import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pino } from 'pino'
import { defaultConfig } from '../src/config/config.ts'
import { startGateway } from '../src/gateway/start-gateway.ts'
import { userSchema } from '../src/identity/user.ts'
import { roleSchema } from '../src/policy/role.ts'
import { newId } from '../src/shared/ids.ts'
import { createLog } from '../src/shared/log.ts'
import { parseAccountAddress } from '../src/shared/names.ts'
import { Secret } from '../src/shared/secret.ts'
import { type TargetInput, targetSchema } from '../src/targets/target.ts'
import { initKeyFile } from '../src/vault/key-provider.ts'

export interface GatewaySetup {
  readonly folder: string
  readonly publicKey: string
  readonly password: string
  readonly targets: readonly TargetInput[]
  /** Names of targets whose role has the recording keep all that commands write. */
  readonly keptWhole?: readonly string[]
  /** The same of those whose role shows nothing before it is written. */
  readonly beforeRelay?: readonly string[]
  /** Names of targets whose accounts are given on request alone. */
  readonly onRequest?: readonly string[]
  /** One of two gateways on one store; `joins`: what is in it is there already. */
  readonly shared?: {
    readonly database: string
    readonly redis: string
    readonly keyFile: string
    readonly joins: boolean
  }
  /** By address of the account. */
  readonly credentials: Record<string, { privateKey: string } | { password: string }>
}

const HOST = '127.0.0.1'
const setup: GatewaySetup = JSON.parse(process.argv[2]!)

const config = defaultConfig(setup.folder)
// Everything is as it is by default, recording too, but for the limits on what comes from one address.
config.ssh = { ...config.ssh, host: HOST, port: 0, maxPerSource: 2000, maxUnauthenticated: 2000 }
config.postgres = { ...config.postgres, host: HOST, port: 0 }
config.api = { ...config.api, enabled: false }
config.shutdown = { drainMs: 0 }
const { shared } = setup
if (shared !== undefined) {
  config.database = shared.database
  config.cluster = { ...config.cluster, redis: shared.redis }
  config.vault = { ...config.vault, key: { file: shared.keyFile } }
}
if (!shared?.joins) await initKeyFile(shared?.keyFile ?? join(setup.folder, 'vault.key'))
const gateway = await startGateway({
  config,
  log: createLog('info', pino.destination(join(setup.folder, 'gateway.log'))),
})
const { roles, users, factors, targets, vault, requests } = gateway.parts
if (!shared?.joins) await fillStore()

async function fillStore(): Promise<void> {
  const { keptWhole = [], beforeRelay = [], onRequest = [] } = setup
  const special = [...keptWhole, ...beforeRelay, ...onRequest]
  const others = setup.targets.map(target => target.name).filter(name => !special.includes(name))
  for (const [name, names, terms] of [
    ['bench', others, { rememberFactor: '5m' }],
    ['kept-whole', keptWhole, { execOutputLimit: 'none' }],
    ['before-relay', beforeRelay, { recording: 'before-relay' }],
  ] as const) {
    const factors = [['publickey'], ['password']]
    await roles.put(roleSchema.parse({ name, targets: { names }, accounts: { levels: ['basic'] }, factors, ...terms }))
  }
  const offer = { accounts: { levels: ['basic'] }, approvers: ['user:approver'], freshFactor: false } as const
  await roles.put(
    roleSchema.parse({
      name: 'asked',
      targets: { names: onRequest },
      accounts: {},
      onRequest: [offer],
      factors: [['publickey']],
    }),
  )
  await users.put(userSchema.parse({ name: 'approver' }))
  for (const target of setup.targets) await targets.put(targetSchema.parse({ allowLocal: true, ...target }))
  for (const [address, credential] of Object.entries(setup.credentials)) {
    const material =
      'privateKey' in credential
        ? ({ kind: 'private-key', privateKey: new Secret(credential.privateKey) } as const)
        : ({ kind: 'password', password: new Secret(credential.password) } as const)
    await vault.setCredential(parseAccountAddress(address)!, material, 'bench')
  }
  await users.put(
    userSchema.parse({
      name: 'bench',
      roles: ['bench', 'kept-whole', 'before-relay', 'asked'],
      publicKeys: [setup.publicKey],
    }),
  )
  await factors.setPassword('bench', new Secret(setup.password))
}

process.stdout.write(`${JSON.stringify({ ssh: gateway.ssh!.port, postgres: gateway.postgres!.port })}\n`)

/** So many rotations are due now, these first; what was due before is not any more. */
async function planDue({ due, first }: { due: number; first: string[] }): Promise<void> {
  const { database } = gateway.parts
  await database.deleteFrom('jobs').where('kind', '=', 'rotate').where('claimed_by', 'is', null).execute()
  const now = Date.now()
  const keys = Array.from({ length: due }, (_, index) => first[index] ?? `nobody${index}@nowhere`)
  const payload = JSON.stringify({ trigger: 'interval', by: 'bench' })
  for (let from = 0; from < keys.length; from += 500) {
    const rows = keys.slice(from, from + 500).map((key, index) => ({
      ...{ id: newId('job', now), kind: 'rotate', key, payload, urgent: 0, attempts: 0, claimed_until: 0 },
      // Within one second, in this order.
      ...{ due_at: now - 1000 + Math.floor((from + index) / 10), planned_at: now },
    }))
    await database.insertInto('jobs').values(rows).execute()
  }
  process.stdout.write('planned\n')
}

/** The account is asked for, and approved. */
async function askFor(address: string): Promise<void> {
  const { account, target } = parseAccountAddress(address)!
  const as = (user: string, held: string[]) => ({
    ...{ user, roles: held, proven: new Set(['publickey'] as const), sourceAddress: HOST },
  })
  const { request } = await requests.ask(as('bench', ['asked']), { on: { target }, account, reason: 'a bench' })
  await requests.approve(as('approver', []), request.id, {})
  process.stdout.write(`approved ${request.id}\n`)
}

async function revoke(id: string): Promise<void> {
  await requests.revoke(id, 'bench', undefined)
  process.stdout.write('revoked\n')
}

createInterface({ input: process.stdin })
  .on('line', line => {
    const wish = JSON.parse(line)
    void ('ask' in wish ? askFor(wish.ask) : 'revoke' in wish ? revoke(wish.revoke) : planDue(wish))
  })
  .once('close', () => void gateway.stop())
