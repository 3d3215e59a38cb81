/** What is measured with OpenSSH's client: bulk, memory with a reader that stalls, login, and what an idle session costs. */

import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { cpuSeconds, interleave, median, residentBytes, seconds } from './measure.ts'
import type { BenchOptions } from './options.ts'
import type { Row } from './row.ts'
import { SSH_WAYS, type SshBench, type SshWay, setUpSsh } from './ssh-setup.ts'

const GROUP = 'SSH'
const MB = 1e6
/** Of random bytes, as many as one file of the target has. */
const PIECE = 64 * MB
const IDLE_CLIENT = fileURLToPath(new URL('./idle-clients.ts', import.meta.url))

export async function benchSsh({ quick, folder, stack, say }: BenchOptions): Promise<Row[]> {
  const bench = await setUpSsh(folder, stack)
  for (const way of SSH_WAYS) await bench.run(way, 'true')
  const rows: Row[] = []
  say('logins')
  rows.push(await login(bench, quick ? 5 : 21))
  say('jumps')
  rows.push(...(await jumps(bench, quick ? 5 : 21, quick ? 256 : 1000)))
  // Before the bulk, whose buffers would leave room that the sessions then take without being seen to.
  say('idle sessions')
  rows.push(...(await idleSessions(bench, quick ? 100 : 500)))
  say('bulk')
  rows.push(...(await bulk(bench, quick ? 256 : 1000, quick ? 1 : 3)))
  say('a reader that stalls')
  rows.push(await stalledReader(bench, quick ? 4000 : 15_000))
  return rows
}

async function login(bench: SshBench, rounds: number): Promise<Row> {
  const results = await interleave(rounds, SSH_WAYS, way => seconds(() => bench.run(way, 'true')))
  return {
    group: GROUP,
    name: 'login by public key, to the exit of `true`',
    unit: 'ms',
    values: eachWay(way => median(results[way]) * 1000),
    target: { of: 'ProxyJump', atMost: 1.3 },
  }
}

/** `ssh -J`: two logins, one in the other. In bulk, each byte is encrypted twice on its way to the client, as through any jump host. */
async function jumps(bench: SshBench, rounds: number, megabytes: number): Promise<Row[]> {
  const ways = ['ProxyJump', 'Sallyport'] as const
  for (const way of ways) await bench.runJump(way, 'true')
  const logins = await interleave(rounds, ways, way => seconds(() => bench.runJump(way, 'true')))
  const bulk = await interleave(3, ways, way =>
    seconds(() => bench.runJump(way, `head -c ${megabytes * MB} /dev/zero`)),
  )
  return [
    {
      group: GROUP,
      name: 'ssh -J, to the exit of `true`',
      unit: 'ms',
      values: { ProxyJump: median(logins.ProxyJump) * 1000, Sallyport: median(logins.Sallyport) * 1000 },
      target: { of: 'ProxyJump', atMost: 1.25 },
    },
    {
      group: GROUP,
      name: `${megabytes} MB by ssh -J, recorded: wall`,
      unit: 's',
      values: { ProxyJump: median(bulk.ProxyJump), Sallyport: median(bulk.Sallyport) },
      target: { of: 'ProxyJump', atMost: 1.25 },
    },
  ]
}

/** What a gateway sends on and keeps as far as it does by default; and random bytes, which do not pack, all of them kept. */
async function bulk(bench: SshBench, megabytes: number, rounds: number): Promise<Row[]> {
  // A gateway runs for weeks: what its first megabytes cost, until the code is compiled, is not what is asked here.
  await bench.run('Sallyport', `head -c ${200 * MB} /dev/zero`)
  const random = join(bench.targetFolder, 'random')
  await writeFile(random, randomBytes(PIECE))
  const all = `cat ${Array(Math.ceil((megabytes * MB) / PIECE))
    .fill(random)
    .join(' ')} | head -c ${megabytes * MB}`
  return [
    ...(await bulkRows(bench, `${megabytes} MB, aes128-gcm, recorded`, `head -c ${megabytes * MB} /dev/zero`, rounds)),
    ...(await bulkRows(bench, `${megabytes} MB of random bytes, kept whole`, all, rounds, true)),
  ]
}

async function bulkRows(
  bench: SshBench,
  name: string,
  command: string,
  rounds: number,
  keptWhole = false,
): Promise<Row[]> {
  const { pid } = bench.gateway
  const results = await interleave(rounds, SSH_WAYS, async way => {
    const before = cpuSeconds(pid)
    const wall = await seconds(() => bench.run(way, command, keptWhole))
    return { wall, cpu: cpuSeconds(pid) - before }
  })
  return [
    {
      group: GROUP,
      name: `${name}: wall`,
      unit: 's',
      values: eachWay(way => median(results[way].map(result => result.wall))),
      // No peer keeps anything: what it costs is told, not judged.
      ...(keptWhole ? {} : { target: { of: 'ProxyJump', atMost: 0.9 } }),
    },
    {
      group: GROUP,
      name: `${name}: CPU of the gateway`,
      unit: 's',
      values: { Sallyport: median(results.Sallyport.map(result => result.cpu)) },
    },
  ]
}

/** The client stops in the middle, and with it everything that reads: what the gateway then holds is what it grows by. */
async function stalledReader(bench: SshBench, stallMs: number): Promise<Row> {
  const { pid } = bench.gateway
  const before = residentBytes(pid)
  const client = bench.start('Sallyport', `head -c ${1000 * MB} /dev/zero`)
  const exited = once(client, 'exit')
  client.stdout!.once('data', () => client.stdout!.pause())
  await once(client.stdout!, 'pause')
  let most = before
  const until = performance.now() + stallMs
  while (performance.now() < until) {
    // First the client reads on and only its own reader stalls; for the second half it is stopped itself.
    if (until - performance.now() < stallMs / 2) client.kill('SIGSTOP')
    most = Math.max(most, residentBytes(pid))
    await sleep(50)
  }
  client.kill('SIGKILL')
  await exited
  return {
    group: GROUP,
    name: 'the same with a reader that stalls: memory of the gateway grows by',
    unit: 'MB',
    values: { Sallyport: (most - before) / MB },
    target: { atMost: 64 },
  }
}

async function idleSessions(bench: SshBench, count: number): Promise<Row[]> {
  const { gateway, identityFile, login } = bench
  const open = async (sessions: number) => {
    const args = [IDLE_CLIENT, String(gateway.ports.ssh), login, identityFile, String(sessions)]
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    const exited = once(child, 'exit')
    const ready = await Promise.race([
      once(createInterface({ input: child.stdout }), 'line').then(() => true),
      exited.then(() => false),
    ])
    if (!ready) throw new Error('the idle sessions could not be opened')
    return async () => {
      child.stdin.end()
      await exited
    }
  }
  // What the first sessions load, stays: it is not a cost of each.
  await (await open(Math.ceil(count / 10)))()
  await gateway.collectGarbage()
  const before = residentBytes(gateway.pid)
  const close = await open(count)
  const opened = residentBytes(gateway.pid)
  await gateway.collectGarbage()
  // Pages that have become free go back to the system a little later.
  await sleep(2000)
  const after = residentBytes(gateway.pid)
  await close()
  const each = (bytes: number) => (bytes - before) / count / 1000
  return [
    {
      group: GROUP,
      name: `${count} idle sessions: memory of each`,
      unit: 'KB',
      values: { Sallyport: each(after) },
      target: { atMost: 100 },
    },
    {
      group: GROUP,
      name: '  with the garbage of their logins',
      unit: 'KB',
      values: { Sallyport: each(opened) },
    },
  ]
}

function eachWay(value: (way: SshWay) => number): Row['values'] {
  return Object.fromEntries(SSH_WAYS.map(way => [way, value(way)]))
}
