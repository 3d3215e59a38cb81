/** What it costs to show nothing before it is written: the gateway as it is by default, beside a role with `recording: before-relay`. */

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startPostgres } from '../test/support/start-postgres.ts'
import { startSshd } from '../test/support/start-sshd.ts'
import { interleave, median, seconds } from './measure.ts'
import type { BenchOptions } from './options.ts'
import type { Row } from './row.ts'
import { startMeasuredGateway } from './start-gateway.ts'

const GROUP = 'Recording'
const WAYS = ['direct', 'Sallyport', 'before relay'] as const
type RecordingWay = (typeof WAYS)[number]
const PASSWORD = 'a password of the bench'
const SUFFIX = { Sallyport: '', 'before relay': '-before-relay' } as const

export async function benchRecording({ quick, folder, stack, say }: BenchOptions): Promise<Row[]> {
  const bench = await setUp(folder, stack)
  const rounds = quick ? 1 : 3
  say('echo')
  const echo = await interleave(rounds, WAYS, way =>
    echoMilliseconds(bench.ssh(way, ['-tt'], 'cat'), quick ? 100 : 500),
  )
  const rows = [row('the echo of a key, terminal', 'ms', echo)]
  say('output')
  const megabytes = quick ? 100 : 500
  const bulk = await interleave(rounds, WAYS, way =>
    seconds(() => ended(bench.ssh(way, [], `head -c ${megabytes}000000 /dev/zero`))),
  )
  rows.push(row(`${megabytes} MB of output`, 's', bulk))
  await bench.client('direct', 'pgbench', ['-i', '-q', '-s', '5'])
  for (const mode of ['simple', 'prepared']) {
    for (const clients of [1, 8]) {
      say(`pgbench -S, ${mode}, ${clients} clients`)
      const each = Math.ceil((quick ? 2000 : 12_000) / clients)
      const args = ['-S', '-n', '-M', mode, '-c', String(clients), '-t', String(each)]
      const results = await interleave(rounds, WAYS, async way =>
        Number(/tps = ([\d.]+)/.exec(await bench.client(way, 'pgbench', args))![1]),
      )
      rows.push(row(`pgbench -S, ${mode}, ${clients} client${clients === 1 ? '' : 's'}`, 'tps', results))
    }
  }
  say('COPY')
  const lines = quick ? 100_000 : 500_000
  const statement = `copy (select repeat('x', 999) from generate_series(1, ${lines})) to stdout`
  const copied = await interleave(rounds, WAYS, async way => {
    return lines / 1000 / (await seconds(() => bench.client(way, 'psql', ['-q', '-o', '/dev/null', '-c', statement])))
  })
  rows.push(row(`COPY ${lines / 1000} MB out`, 'MB/s', copied))
  return rows
}

async function setUp(folder: string, stack: AsyncDisposableStack) {
  const [server, sshd] = await Promise.all([startPostgres({ tls: true }), startSshd()])
  for (const each of [server, sshd]) stack.defer(() => each.stop())
  await server.psql('create database bench')
  const gatewayFolder = join(folder, 'gateway')
  await mkdir(gatewayFolder, { mode: 0o700 })
  const { superuser: user, superPassword: password } = server
  const names = Object.values(SUFFIX)
  const gateway = await startMeasuredGateway({
    folder: gatewayFolder,
    publicKey: (await readFile(`${sshd.identityFile}.pub`, 'utf8')).trim(),
    password: PASSWORD,
    targets: names.flatMap(suffix => [
      {
        ...{ protocol: 'postgres' as const, name: `db${suffix}`, host: server.host, port: server.port },
        ...{ database: 'bench', tls: 'disable' as const, accounts: [{ name: user }] },
      },
      {
        ...{ protocol: 'ssh' as const, name: `host${suffix}`, host: sshd.host, port: sshd.port },
        ...{ hostKeys: sshd.hostKeys, accounts: [{ name: sshd.account }] },
      },
    ]),
    beforeRelay: ['db-before-relay', 'host-before-relay'],
    credentials: Object.fromEntries(
      names.flatMap(suffix => [
        [`${user}@db${suffix}`, { password }] as const,
        [`${sshd.account}@host${suffix}`, { privateKey: sshd.privateKey }] as const,
      ]),
    ),
  })
  stack.defer(() => gateway.stop())

  return {
    ssh(way: RecordingWay, flags: string[], command: string) {
      const [port, login] =
        way === 'direct' ? [sshd.port, sshd.account] : [gateway.ports.ssh, `bench+${sshd.account}+host${SUFFIX[way]}`]
      const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR', 'BatchMode=yes']
      const args = [...options, 'IdentityAgent=none'].flatMap(option => ['-o', option])
      const at = ['-i', sshd.identityFile, '-p', String(port), '-l', login, '127.0.0.1', command]
      return spawn('ssh', ['-F', '/dev/null', ...args, ...flags, ...at], { stdio: ['pipe', 'pipe', 'inherit'] })
    },
    async client(way: RecordingWay, program: 'psql' | 'pgbench', args: string[]): Promise<string> {
      const as =
        way === 'direct'
          ? { PGPORT: String(server.port), PGUSER: user, PGPASSWORD: password }
          : { PGPORT: String(gateway.ports.postgres), PGUSER: `bench+${user}+db${SUFFIX[way]}`, PGPASSWORD: PASSWORD }
      const env = { ...process.env, ...as, PGHOST: server.host, PGDATABASE: 'bench', PGSSLMODE: 'require' }
      return (await promisify(execFile)(program, args, { env, maxBuffer: 16 * 1024 * 1024 })).stdout
    },
  }
}

/** The median of so many keys, each typed when the one before it is there. */
async function echoMilliseconds(child: ReturnType<typeof spawn>, keys: number): Promise<number> {
  const { stdin, stdout } = child
  const times: number[] = []
  // The first ones find a terminal that is still being set up.
  for (let key = -20; key < keys; key++) {
    const typed = performance.now()
    stdin!.write('x')
    await once(stdout!, 'data')
    if (key >= 0) times.push(performance.now() - typed)
    if (key % 50 === 0) {
      stdin!.write('\n')
      await once(stdout!, 'data')
    }
  }
  child.kill()
  await once(child, 'exit')
  return median(times)
}

async function ended(child: ReturnType<typeof spawn>): Promise<void> {
  child.stdin!.end()
  child.stdout!.resume()
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`ssh ended with ${code}`)
}

function row(name: string, unit: Row['unit'], results: Record<RecordingWay, number[]>): Row {
  const values = Object.fromEntries(WAYS.map(way => [way, median(results[way])] as const))
  return { group: GROUP, name, unit, values }
}
