/** The programs that the gateway is compared with, each on a free port, as their documentation sets them up. */

import { execFileSync } from 'node:child_process'
import { chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type Child, freePort, startChild } from '../test/support/child.ts'

const HOST = '127.0.0.1'

/** HAProxy in TCP mode: bytes pass as they are, TLS included. Gives its port; its process is `pidOf` that port. */
export async function startHaproxy(folder: string, targetPort: number, stack: AsyncDisposableStack): Promise<number> {
  return (await startHaproxyProcess(folder, targetPort, stack)).port
}

export async function startHaproxyProcess(folder: string, targetPort: number, stack: AsyncDisposableStack) {
  mkdirSync(folder)
  const port = await freePort()
  const config = join(folder, 'haproxy.cfg')
  writeFileSync(
    config,
    [
      'global',
      '  maxconn 2000',
      'defaults',
      '  mode tcp',
      '  timeout connect 5s',
      '  timeout client 1h',
      '  timeout server 1h',
      'listen bench',
      `  bind ${HOST}:${port}`,
      `  server target ${HOST}:${targetPort}`,
      '',
    ].join('\n'),
  )
  const child = startChild('haproxy', ['-db', '-f', config], { logFile: join(folder, 'log'), folder })
  stack.defer(() => child.end('SIGTERM'))
  await listening(port, child)
  return { port, pid: child.pid }
}

export interface PgbouncerOptions {
  readonly folder: string
  readonly postgresPort: number
  readonly user: string
  readonly password: string
  readonly certificates: { readonly certificateFile: string; readonly keyFile: string }
}

/** PgBouncer in session mode: TLS on the client's leg, none on the server's, SCRAM on both. */
export async function startPgbouncer(options: PgbouncerOptions, stack: AsyncDisposableStack) {
  const { folder, postgresPort, user, password, certificates } = options
  mkdirSync(folder)
  const port = await freePort()
  const config = join(folder, 'pgbouncer.ini')
  const users = join(folder, 'users.txt')
  writeFileSync(users, `"${user}" "${password}"\n`)
  writeFileSync(
    config,
    [
      '[databases]',
      `* = host=${HOST} port=${postgresPort}`,
      '[pgbouncer]',
      `listen_addr = ${HOST}`,
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = scram-sha-256',
      `auth_file = ${users}`,
      'pool_mode = session',
      'default_pool_size = 100',
      'max_client_conn = 200',
      'client_tls_sslmode = require',
      `client_tls_cert_file = ${certificates.certificateFile}`,
      `client_tls_key_file = ${certificates.keyFile}`,
      'server_tls_sslmode = disable',
      'ignore_startup_parameters = extra_float_digits',
      'log_connections = 0',
      'log_disconnections = 0',
      '',
    ].join('\n'),
  )
  const as = process.geteuid?.() === 0 ? idsOf('postgres') : undefined
  if (as) for (const path of [folder, config, users]) chownSync(path, as.uid, as.gid)
  const child = startChild('pgbouncer', [config], { logFile: join(folder, 'log'), folder, ...as })
  stack.defer(() => child.end('SIGTERM'))
  await listening(port, child)
  return { port, pid: child.pid }
}

/** It refuses to run as root. */
function idsOf(user: string): { uid: number; gid: number } {
  const [uid, gid] = ['-u', '-g'].map(flag => Number(execFileSync('id', [flag, user], { encoding: 'utf8' })))
  return { uid: uid!, gid: gid! }
}

async function listening(port: number, child: Child): Promise<void> {
  let over = false
  void child.ended.then(() => {
    over = true
  })
  while (!over) {
    const open = await new Promise<boolean>(resolve => {
      const socket = connect(port, HOST, () => resolve(true)).on('error', () => resolve(false))
      socket.on('connect', () => socket.destroy())
    })
    if (open) return
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  throw new Error(`a peer did not start: ${child.output()}`)
}
