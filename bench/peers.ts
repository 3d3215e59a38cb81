/** The programs that the gateway is compared with, each on a free port, as their documentation sets them up. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, listening, startChild } from '../test/support/child.ts'
import { startPgbouncerProcess } from '../test/support/start-pgbouncer.ts'

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
  const peer = await startPgbouncerProcess({
    folder,
    databases: [`* = host=${HOST} port=${postgresPort}`],
    user,
    password,
    settings: [
      'default_pool_size = 100',
      'max_client_conn = 200',
      'client_tls_sslmode = require',
      `client_tls_cert_file = ${certificates.certificateFile}`,
      `client_tls_key_file = ${certificates.keyFile}`,
      'ignore_startup_parameters = extra_float_digits',
      'log_connections = 0',
      'log_disconnections = 0',
    ],
  })
  stack.defer(() => peer.stop())
  return { port: peer.port, pid: peer.pid }
}
