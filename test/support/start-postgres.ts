/** A throw-away PostgreSQL server (Debian's) on a free loopback port, for tests. */

import { randomBytes } from 'node:crypto'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeCertificates, type TestCertificates } from './certificates.ts'
import { type Child, onFreePort, removeFolder, run, startChild } from './child.ts'

export interface PostgresOptions {
  /** Lines for pg_hba.conf, before the defaults (`scram-sha-256` for everyone from loopback). */
  readonly hba?: string[]
  /** A certificate for `localhost` and 127.0.0.1, made on the fly; `caFile` verifies it. */
  readonly tls?: boolean
  /** Settings beyond the defaults, as in postgresql.conf: `{ log_statement: 'all' }`. */
  readonly settings?: Record<string, string | number>
  /** SQL to run once it is up, as the superuser in the database `postgres`. */
  readonly sql?: string
}

export interface TestPostgres {
  readonly host: string
  readonly port: number
  readonly superuser: string
  readonly superPassword: string
  readonly socketDir: string
  readonly logFile: string
  /** With `tls`: the CA of the server's certificate; it also signs client certificates for hba lines with `cert`. */
  readonly caFile?: string
  readonly certificates?: TestCertificates
  /** A URL of the superuser for the database (by default `postgres`). */
  url(database?: string): string
  /** Runs SQL with psql through the Unix socket as the superuser; gives what it printed, unaligned and without headers. */
  psql(sql: string, database?: string): Promise<string>
  /** Makes an empty database of its own for one test; gives its URL. */
  createDatabase(): Promise<string>
  /** Its log up to now. */
  log(): string
  /** Resolves at the first line of its log, from now on, that matches. */
  logged(pattern: RegExp): Promise<void>
  /** Ends it at once, as a crash would. */
  crash(): Promise<void>
  /** Starts it again on the same port after `crash()`. */
  restart(): Promise<void>
  stop(): Promise<void>
}

const HOST = '127.0.0.1'
const SUPERUSER = 'postgres'

export async function startPostgres(options: PostgresOptions = {}): Promise<TestPostgres> {
  const bin = postgresBin()
  const owner = await serverOwner()
  const superPassword = randomBytes(12).toString('base64url')
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-pg-'))
  const data = join(folder, 'data')
  const logFile = join(folder, 'server.log')
  const passwordFile = join(folder, 'password')
  try {
    chmodSync(folder, 0o755)
    mkdirSync(data, { mode: 0o700 })
    writeFileSync(passwordFile, superPassword, { mode: 0o600 })
    const certificates = options.tls ? await makeCertificates(join(folder, 'tls')) : undefined
    for (const path of [folder, data, passwordFile, ...(certificates ? [certificates.keyFile] : [])]) owner.own(path)
    const initdb = ['-D', data, '-U', SUPERUSER, '--pwfile', passwordFile, '-A', 'scram-sha-256', '--no-sync']
    await run(join(bin, 'initdb'), [...initdb, '--locale=C.UTF-8', '-E', 'UTF8'], { cwd: folder, ...owner.ids })
    writeFileSync(join(data, 'pg_hba.conf'), hbaFile(options.hba))
    appendFileSync(join(data, 'postgresql.conf'), settingsFile(folder, options, certificates))

    const start = async (port: number) => {
      const child = startChild(join(bin, 'postgres'), ['-D', data, '-p', String(port)], {
        logFile,
        folder,
        ...owner.ids,
      })
      await child.printed(/ready to accept (?:read-only )?connections/)
      return { child, port }
    }
    let { child, port }: { child: Child; port: number } = await onFreePort(start)

    const url = (database = 'postgres') =>
      `postgres://${SUPERUSER}:${superPassword}@${HOST}:${port}/${encodeURIComponent(database)}`
    const psql = async (sql: string, database = 'postgres') => {
      const args = ['-X', '-A', '-t', '-q', '-v', 'ON_ERROR_STOP=1', '-h', folder, '-p', String(port), '-U', SUPERUSER]
      const env = { ...process.env, PGPASSWORD: superPassword }
      const { stdout } = await run(join(bin, 'psql'), [...args, '-d', database, '-c', sql], { env })
      return stdout.trimEnd()
    }
    const stop = async () => {
      await child.end('SIGINT')
      removeFolder(folder)
    }
    if (options.sql !== undefined) {
      try {
        await psql(options.sql)
      } catch (error) {
        await stop()
        throw error
      }
    }
    return {
      host: HOST,
      port,
      superuser: SUPERUSER,
      superPassword,
      socketDir: folder,
      logFile,
      ...(certificates === undefined ? {} : { caFile: certificates.caFile, certificates }),
      url,
      psql,
      async createDatabase() {
        const name = `t${randomBytes(6).toString('hex')}`
        await psql(`create database ${name}`)
        return url(name)
      },
      log: () => child.output(),
      logged: pattern => child.printed(pattern),
      crash: () => child.end('SIGQUIT'),
      async restart() {
        child = (await start(port)).child
      },
      stop,
    }
  } catch (error) {
    removeFolder(folder)
    throw error
  }
}

/** Where Debian keeps the newest server that is installed. */
function postgresBin(): string {
  const root = '/usr/lib/postgresql'
  const versions = existsSync(root)
    ? readdirSync(root).filter(version => existsSync(join(root, version, 'bin/initdb')))
    : []
  const newest = versions.sort((a, b) => Number(b) - Number(a))[0]
  if (newest === undefined) throw new Error(`no PostgreSQL server under ${root}: apt-get install postgresql`)
  return join(root, newest, 'bin')
}

/** PostgreSQL refuses to run as root: then it runs as the user `postgres`, and the files it reads are given to that user. */
async function serverOwner(): Promise<{ ids: { uid?: number; gid?: number }; own(path: string): void }> {
  if (process.getuid!() !== 0) return { ids: {}, own: () => undefined }
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map(async flag => Number((await run('id', [flag, 'postgres'])).stdout.trim())),
  )
  return { ids: { uid, gid }, own: path => chownSync(path, uid!, gid!) }
}

function hbaFile(lines: string[] = []): string {
  const defaults = ['local all all scram-sha-256', 'host all all 127.0.0.1/32 scram-sha-256']
  // First, so that the psql helper gets in whatever the test asks for.
  return [`local all ${SUPERUSER} scram-sha-256`, ...lines, ...defaults, ''].join('\n')
}

function settingsFile(folder: string, options: PostgresOptions, certificates?: TestCertificates): string {
  const settings: Record<string, string | number> = {
    listen_addresses: HOST,
    unix_socket_directories: folder,
    fsync: 'off',
    full_page_writes: 'off',
    shared_buffers: '16MB',
    max_connections: 100,
    lc_messages: 'C',
    ...(certificates === undefined
      ? {}
      : {
          ssl: 'on',
          ssl_cert_file: certificates.certificateFile,
          ssl_key_file: certificates.keyFile,
          ssl_ca_file: certificates.caFile,
        }),
    ...options.settings,
  }
  return Object.entries(settings)
    .map(([name, value]) => `${name} = '${String(value).replaceAll("'", "''")}'\n`)
    .join('')
}
