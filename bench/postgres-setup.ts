/** The ways to one PostgreSQL, all with TLS on the client's leg: straight, HAProxy, PgBouncer, the gateway. */

import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startPostgres, type TestPostgres } from '../test/support/start-postgres.ts'
import { startHaproxyProcess, startPgbouncer } from './peers.ts'
import { startMeasuredGateway } from './start-gateway.ts'

export const POSTGRES_WAYS = ['direct', 'HAProxy', 'PgBouncer', 'Sallyport'] as const
export type PostgresWay = (typeof POSTGRES_WAYS)[number]

export interface PostgresBench {
  readonly server: TestPostgres
  /** The middle's process; nothing is in the middle of `direct`. */
  pid(way: PostgresWay): number | undefined
  /** Runs psql or pgbench on the way, in its database; gives what it printed. `shell` is put behind the command line. */
  client(way: PostgresWay, program: 'psql' | 'pgbench', args: readonly string[], shell?: string): Promise<string>
}

const DATABASE = 'bench'

export async function setUpPostgres(folder: string, stack: AsyncDisposableStack): Promise<PostgresBench> {
  const server = await startPostgres({
    tls: true,
    settings: { max_connections: 200, shared_buffers: '256MB', max_wal_size: '4GB' },
  })
  stack.defer(() => server.stop())
  await server.psql(`create database ${DATABASE}`)
  const { superuser: user, superPassword: password } = server

  const haproxy = await startHaproxyProcess(join(folder, 'haproxy'), server.port, stack)
  const pgbouncer = await startPgbouncer(
    {
      folder: join(folder, 'pgbouncer'),
      postgresPort: server.port,
      user,
      password,
      certificates: server.certificates!,
    },
    stack,
  )
  const gatewayFolder = join(folder, 'gateway')
  await mkdir(gatewayFolder, { mode: 0o700 })
  const gatewayPassword = 'a password of the bench'
  const gateway = await startMeasuredGateway({
    folder: gatewayFolder,
    publicKey: await anyPublicKey(folder),
    password: gatewayPassword,
    targets: [
      {
        protocol: 'postgres',
        name: 'db',
        host: server.host,
        port: server.port,
        tls: 'disable',
        accounts: [{ name: user }],
      },
    ],
    credentials: { [`${user}@db`]: { password } },
  })
  stack.defer(() => gateway.stop())

  const ways = {
    direct: { port: server.port, user, password, pid: undefined },
    HAProxy: { port: haproxy.port, user, password, pid: haproxy.pid },
    PgBouncer: { port: pgbouncer.port, user, password, pid: pgbouncer.pid },
    Sallyport: { port: gateway.ports.postgres, user: `bench+${user}+db`, password: gatewayPassword, pid: gateway.pid },
  }
  return {
    server,
    pid: way => ways[way].pid,
    async client(way, program, args, shell = '') {
      const { port, user, password } = ways[way]
      const env = {
        ...process.env,
        PGHOST: server.host,
        PGPORT: String(port),
        PGUSER: user,
        PGPASSWORD: password,
        PGDATABASE: DATABASE,
        PGSSLMODE: 'require',
        PGOPTIONS: '',
      }
      const script = `exec ${program} "$@" ${shell}`
      const options = { env, maxBuffer: 16 * 1024 * 1024 }
      return (await promisify(execFile)('/bin/sh', ['-c', script, program, ...args], options)).stdout
    },
  }
}

async function anyPublicKey(folder: string): Promise<string> {
  const file = join(folder, 'key')
  await promisify(execFile)('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file])
  return (await promisify(execFile)('ssh-keygen', ['-y', '-f', file])).stdout.trim()
}
