/** Two gateways on one PostgreSQL store, with Redis, and a target of each protocol: the second is a process that a test may kill. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { RoleInput } from '../../src/policy/role.ts'
import { Secret } from '../../src/shared/secret.ts'
import { clientOptions, startClient } from './ssh-client.ts'
import { startTestGateway } from './start-gateway.ts'
import { startGatewayProcess } from './start-gateway-process.ts'
import { startPostgres } from './start-postgres.ts'
import { startRedis } from './start-redis.ts'
import { makeKey, startSshd } from './start-sshd.ts'

interface Options {
  /** What the role `ops` says beside its accounts, which are those of both targets. */
  readonly role: Omit<RoleInput, 'name' | 'targets' | 'accounts' | 'factors'>
  /** What the entries of both accounts say beside their names. */
  readonly entry?: { readonly checkOut?: object }
}

/** All ends with the test file. The key of `identityFile` logs in every user to whom `publicKeys` are given, by `ssh` to either gateway. */
export async function startTwoGateways({ role, entry = {} }: Options) {
  const cleanup = new AsyncDisposableStack()
  t.teardown(() => cleanup.disposeAsync())
  const [postgres, redis, sshd] = await Promise.all([startPostgres(), startRedis(), startSshd()])
  for (const server of [postgres, redis, sshd]) cleanup.defer(() => server.stop())
  const gateway = await startTestGateway({
    configure(config) {
      config.database = postgres.url()
      config.cluster.redis = redis.url
    },
  })
  cleanup.defer(() => gateway.close())

  const { account } = sshd
  const { superuser, superPassword } = postgres
  const identityFile = makeKey(sshd.folder, 'alice', 'ed25519')
  const publicKeys = [readFileSync(`${identityFile}.pub`, 'utf8').trim()]
  await gateway.addRole({
    ...{ name: 'ops', targets: { names: ['web-01', 'orders'] }, accounts: { names: [account, superuser] } },
    factors: [['publickey'], ['password']],
    ...role,
  })
  await gateway.addTarget(
    {
      ...{ name: 'web-01', protocol: 'ssh', host: sshd.host, port: sshd.port, hostKeys: sshd.hostKeys },
      accounts: [{ name: account, ...entry }],
    },
    { [account]: { kind: 'private-key', privateKey: new Secret(sshd.privateKey) } },
  )
  await gateway.addTarget(
    {
      ...{ name: 'orders', protocol: 'postgres', host: postgres.host, port: postgres.port, tls: 'disable' },
      accounts: [{ name: superuser, ...entry }],
    },
    { [superuser]: { kind: 'password', password: new Secret(superPassword) } },
  )
  const other = await startGatewayProcess(gateway, { dataFolder: join(gateway.folder, 'other'), postgres: true })
  cleanup.defer(() => other.child.end('SIGKILL'))

  const ssh = (at: { host: string; port: number }, login: string, ...command: string[]) => {
    const to = ['-p', String(at.port), '-l', login, at.host, ...command]
    return startClient('ssh', ['-F', 'none', ...clientOptions({ identityFile }), ...to], { identityFile })
  }
  const scp = (args: readonly string[]) =>
    startClient('scp', ['-F', 'none', ...clientOptions({ identityFile }), ...args], { identityFile })
  return { gateway, other, account, superuser, publicKeys, identityFile, ssh, scp }
}
