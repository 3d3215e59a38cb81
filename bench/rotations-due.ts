/** What a login costs while 10,000 rotations are due at once, beside what it costs while none is. Ends by itself, within a minute. */

import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { TestPostgres } from '../test/support/start-postgres.ts'
import { median, seconds } from './measure.ts'
import type { BenchOptions } from './options.ts'
import type { Row } from './row.ts'
import { startMeasuredGateway } from './start-gateway.ts'

const DUE = 10_000
/** Roles that there are, which come first: more than a gateway rotates in the time. */
const ROLES = 150
const PASSWORD = 'a password of the bench'
/** Of each of three measurements. */
const MOST_MS = 12_000
const FIRST_ROTATION_MS = 15_000

export async function rotationsDue(
  server: TestPostgres,
  { folder, quick, stack, say }: BenchOptions,
): Promise<Omit<Row, 'group'>[]> {
  const names = Array.from({ length: ROLES }, (_, index) => `due${index + 1}`)
  await server.psql(['keeper', ...names].map(name => `create role ${name} login password '${PASSWORD}'`).join(';'))
  await mkdir(folder, { mode: 0o700 })
  const { host, port } = server
  const gateway = await startMeasuredGateway({
    ...{ folder, publicKey: await anyPublicKey(folder), password: PASSWORD },
    targets: [
      {
        ...{ protocol: 'postgres', name: 'due', host, port, database: 'postgres', tls: 'disable' },
        accounts: ['keeper', ...names].map(name => ({ name })),
      },
    ],
    credentials: Object.fromEntries(['keeper', ...names].map(name => [`${name}@due`, { password: PASSWORD }])),
  })
  stack.defer(() => gateway.stop())
  const env = {
    ...process.env,
    ...{ PGHOST: '127.0.0.1', PGPORT: String(gateway.ports.postgres), PGUSER: 'bench+keeper+due' },
    ...{ PGPASSWORD: PASSWORD, PGDATABASE: 'postgres', PGSSLMODE: 'require', PGCONNECT_TIMEOUT: '10' },
  }
  const login = () => promisify(execFile)('psql', ['-XAtqc', 'select 1'], { env })
  async function logins(): Promise<number[]> {
    const times: number[] = []
    for (const begin = performance.now(); times.length < (quick ? 15 : 60) && performance.now() - begin < MOST_MS; )
      times.push(await seconds(login))
    return times
  }
  const rotated = async () =>
    Number(await server.psql(`select count(*) from bench_first join pg_authid now using (rolname) where ${CHANGED}`))

  await server.psql(`create table bench_first as ${VERIFIERS}`)
  await login()
  say('logins, nothing is due')
  const before = await logins()
  say(`logins, ${DUE} rotations are due`)
  await gateway.tell(JSON.stringify({ due: DUE, first: names.map(name => `${name}@due`) }), 'planned')
  for (const begin = performance.now(); (await rotated()) === 0; await sleep(100))
    if (performance.now() - begin > FIRST_ROTATION_MS) throw new Error('nothing that is due was rotated')
  const from = await rotated()
  const began = performance.now()
  const during = await logins()
  const perSecond = ((await rotated()) - from) / ((performance.now() - began) / 1000)
  await gateway.tell(JSON.stringify({ due: 0, first: [] }), 'planned')
  say('logins, nothing is due any more')
  await sleep(2000)
  const without = median([...before, ...(await logins())]) * 1000
  return [
    { name: 'login, nothing due', unit: 'ms', values: { Sallyport: without } },
    {
      ...{ name: `login, ${DUE} rotations due`, unit: 'ms', values: { Sallyport: median(during) * 1000 } },
      target: { atMost: Math.round(1.2 * without) },
    },
    { name: '  rotated meanwhile', unit: '/s', values: { Sallyport: perSecond } },
  ]
}

const VERIFIERS = `select rolname, rolpassword from pg_authid where rolname like 'due%'`
const CHANGED = 'now.rolpassword <> bench_first.rolpassword'

async function anyPublicKey(folder: string): Promise<string> {
  const file = `${folder}/key`
  await promisify(execFile)('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file])
  return (await promisify(execFile)('ssh-keygen', ['-y', '-f', file])).stdout.trim()
}
