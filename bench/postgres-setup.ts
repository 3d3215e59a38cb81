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
  /** One set of middles a round: two processes of one program differ by a fifth, by where their memory happens to lie. */
  readonly rounds: readonly Record<PostgresWay, Leg>[]
}

/** A way to the target, through one process. */
export interface Leg {
  /** The middle's process; nothing is in the middle of `direct`. */
  readonly pid: number | undefined
  /** Runs psql or pgbench on the way, in its database; gives what it printed. `shell` is put behind the command line. */
  client(program: 'psql' | 'pgbench', args: readonly string[], shell?: string): Promise<string>
}

const DATABASE = 'bench'
const GATEWAY_PASSWORD = 'a password of the bench'

export async function setUpPostgres(
  folder: string,
  rounds: number,
  stack: AsyncDisposableStack,
): Promise<PostgresBench> {
  const server = await startPostgres({
    tls: true,
    settings: { max_connections: 200, shared_buffers: '256MB', max_wal_size: '4GB' },
  })
  stack.defer(() => server.stop())
  await server.psql(`create database ${DATABASE}`)
  const publicKey = await anyPublicKey(folder)
  const legs: Record<PostgresWay, Leg>[] = []
  for (let round = 0; round < rounds; round++) {
    const own = join(folder, `round-${round}`)
    await mkdir(own, { mode: 0o755 })
    legs.push(await startMiddles(own, server, publicKey, stack))
  }
  return { server, rounds: legs }
}

async function startMiddles(
  folder: string,
  server: TestPostgres,
  publicKey: string,
  stack: AsyncDisposableStack,
): Promise<Record<PostgresWay, Leg>> {
  const { host, port, superuser: user, superPassword: password } = server
  const haproxy = await startHaproxyProcess(join(folder, 'haproxy'), port, stack)
  const pgbouncer = await startPgbouncer(
    { folder: join(folder, 'pgbouncer'), postgresPort: port, user, password, certificates: server.certificates! },
    stack,
  )
  const gatewayFolder = join(folder, 'gateway')
  await mkdir(gatewayFolder, { mode: 0o700 })
  const gateway = await startMeasuredGateway({
    folder: gatewayFolder,
    publicKey,
    password: GATEWAY_PASSWORD,
    targets: [
      { protocol: 'postgres', name: 'db', host, port, database: DATABASE, tls: 'disable', accounts: [{ name: user }] },
    ],
    credentials: { [`${user}@db`]: { password } },
  })
  stack.defer(() => gateway.stop())

  const leg = (at: { port: number; pid?: number }, as = { user, password }): Leg => ({
    pid: at.pid,
    async client(program, args, shell = '') {
      const env = {
        ...process.env,
        PGHOST: host,
        PGPORT: String(at.port),
        PGUSER: as.user,
        PGPASSWORD: as.password,
        PGDATABASE: DATABASE,
        PGSSLMODE: 'require',
        PGOPTIONS: '',
      }
      const script = `exec ${program} "$@" ${shell}`
      const options = { env, maxBuffer: 16 * 1024 * 1024 }
      return (await promisify(execFile)('/bin/sh', ['-c', script, program, ...args], options)).stdout
    },
  })
  return {
    direct: leg({ port }),
    HAProxy: leg(haproxy),
    PgBouncer: leg(pgbouncer),
    Sallyport: leg(
      { port: gateway.ports.postgres, pid: gateway.pid },
      { user: `bench+${user}+db`, password: GATEWAY_PASSWORD },
    ),
  }
}

async function anyPublicKey(folder: string): Promise<string> {
  const file = join(folder, 'key')
  await promisify(execFile)('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file])
  return (await promisify(execFile)('ssh-keygen', ['-y', '-f', file])).stdout.trim()
}
