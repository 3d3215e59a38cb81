/** What is measured with pgbench and psql: transactions, the CPU they cost in the middle, and bulk both ways. */

import { join } from 'node:path'
import { cpuSeconds, interleave, median, seconds } from './measure.ts'
import type { BenchOptions } from './options.ts'
import { type Leg, POSTGRES_WAYS, type PostgresBench, type PostgresWay, setUpPostgres } from './postgres-setup.ts'
import type { Row } from './row.ts'

const GROUP = 'PostgreSQL, TLS to the client'
/** A line of the bulk table: a kilobyte, its line end included. */
const LINE_BYTES = 1000
/** Of the transactions. */
const ROUNDS = 5

interface Transactions {
  readonly perSecond: number
  readonly cpuMicroseconds: number | undefined
}

export async function benchPostgres({ quick, folder, stack, say }: BenchOptions): Promise<Row[]> {
  const bench = await setUpPostgres(folder, quick ? 1 : ROUNDS, stack)
  say('filling tables')
  await bench.rounds[0]!.direct.client('pgbench', ['-i', '-q', '-s', '10'], '2>&1')
  // A gateway runs for weeks: what its first statements cost, until the code is compiled, is not what is asked here.
  for (const { Sallyport } of bench.rounds) {
    for (const mode of ['simple', 'prepared']) {
      await Sallyport.client('pgbench', ['-S', '-n', '-M', mode, '-c', '8', '-t', quick ? '1500' : '8000'], '2>&1')
    }
  }
  const rows: Row[] = []
  for (const mode of ['simple', 'prepared'] as const) {
    for (const clients of [1, 8, 32]) {
      say(`pgbench -S, ${mode}, ${clients} clients`)
      rows.push(...(await transactions(bench, mode, clients, quick)))
    }
  }
  say('new connections')
  rows.push(await connections(bench, quick))
  say('COPY')
  rows.push(...(await copy(bench, folder, quick ? 200 : 1000, quick ? 1 : 3)))
  return rows
}

async function transactions(bench: PostgresBench, mode: string, clients: number, quick: boolean): Promise<Row[]> {
  // A count, not a time: pgbench's clock runs while its clients log in, too.
  const each = Math.ceil((clients === 1 ? 12_000 : 36_000) / clients / (quick ? 3 : 1))
  const threads = String(Math.min(clients, 2))
  const pgbench = async ({ pid, client }: Leg, count: number) => {
    const args = ['-S', '-n', '-M', mode, '-c', String(clients), '-j', threads, '-t', String(count)]
    const before = pid === undefined ? 0 : cpuSeconds(pid)
    const output = await client('pgbench', args, '2>&1')
    return { output, cpu: pid === undefined ? undefined : cpuSeconds(pid) - before }
  }
  const results = await interleave(bench.rounds.length, POSTGRES_WAYS, async (way, round): Promise<Transactions> => {
    const leg = bench.rounds[round]![way]
    const logins = await pgbench(leg, 1)
    const { output, cpu } = await pgbench(leg, each)
    return {
      perSecond: numberIn(output, /tps = ([\d.]+)/),
      cpuMicroseconds: cpu === undefined ? undefined : ((cpu - logins.cpu!) * 1e6) / (each * clients),
    }
  })
  const name = `pgbench -S, ${mode}, ${clients} client${clients === 1 ? '' : 's'}`
  return [
    {
      group: GROUP,
      name,
      unit: 'tps',
      values: eachWay(way => median(results[way].map(result => result.perSecond))),
      target: { of: 'PgBouncer', atLeast: clients === 1 ? 0.85 : 0.7 },
    },
    {
      group: GROUP,
      name: '  CPU per transaction',
      unit: 'µs',
      values: eachWay(way => medianOf(results[way].map(result => result.cpuMicroseconds))),
    },
  ]
}

/** A pool that opens a connection for each transaction: TLS, login, decision, lease and a recording each time. */
async function connections(bench: PostgresBench, quick: boolean): Promise<Row> {
  const args = ['-S', '-n', '-C', '-c', '4', '-j', '2', '-t', quick ? '40' : '100']
  const results = await interleave(bench.rounds.length, POSTGRES_WAYS, async (way, round) =>
    numberIn(await bench.rounds[round]![way].client('pgbench', args, '2>&1'), /tps = ([\d.]+)/),
  )
  return {
    group: GROUP,
    name: 'new connections, 4 clients',
    unit: '/s',
    values: eachWay(way => median(results[way])),
    target: { atLeast: 30 },
  }
}

async function copy(bench: PostgresBench, folder: string, megabytes: number, rounds: number): Promise<Row[]> {
  const lines = (megabytes * 1e6) / LINE_BYTES
  const file = join(folder, 'bulk')
  const { client } = bench.rounds[0]!.direct
  const sql = (text: string) => client('psql', ['-q', '-c', text])
  await sql(
    `create unlogged table bulk as select repeat('x', ${LINE_BYTES - 1}) as line from generate_series(1, ${lines})`,
  )
  await sql('create unlogged table sink (line text)')
  await client('psql', ['-q', '-c', 'copy bulk to stdout'], `> '${file}'`)

  const measure = async ({ pid, client }: Leg, statement: string, shell: string): Promise<Bulk> => {
    const before = pid === undefined ? 0 : cpuSeconds(pid)
    const wall = await seconds(() => client('psql', ['-q', '-c', statement], shell))
    return { wall, cpu: pid === undefined ? undefined : cpuSeconds(pid) - before }
  }
  const out = await interleave(rounds, POSTGRES_WAYS, (way, round) =>
    measure(bench.rounds[round]![way], 'copy bulk to stdout', '> /dev/null'),
  )
  const into = await interleave(rounds, POSTGRES_WAYS, async (way, round) => {
    await sql('truncate sink')
    return measure(bench.rounds[round]![way], 'copy sink from stdin', `< '${file}'`)
  })
  return [
    ...bulkRows(`COPY ${megabytes} MB out`, megabytes, out),
    ...bulkRows(`COPY ${megabytes} MB in`, megabytes, into),
  ]
}

interface Bulk {
  readonly wall: number
  readonly cpu: number | undefined
}

/** As a rate, so that more is better here as in the rows above. */
function bulkRows(name: string, megabytes: number, results: Record<PostgresWay, Bulk[]>): Row[] {
  return [
    {
      group: GROUP,
      name,
      unit: 'MB/s',
      values: eachWay(way => megabytes / median(results[way].map(result => result.wall))),
      target: { of: 'PgBouncer', atLeast: 0.9 },
    },
    {
      group: GROUP,
      name: '  CPU',
      unit: 's',
      values: eachWay(way => medianOf(results[way].map(result => result.cpu))),
    },
  ]
}

function medianOf(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter(value => value !== undefined)
  return known.length === 0 ? undefined : median(known)
}

function eachWay(value: (way: PostgresWay) => number | undefined): Row['values'] {
  return Object.fromEntries(POSTGRES_WAYS.map(way => [way, value(way)] as const).filter(([, one]) => one !== undefined))
}

function numberIn(text: string, pattern: RegExp): number {
  const found = pattern.exec(text)
  if (found === null) throw new Error(`pgbench printed no number:\n${text}`)
  return Number(found[1])
}
