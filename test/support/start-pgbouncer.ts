/** Debian's PgBouncer in session mode on a free loopback port: SCRAM on both legs, no TLS unless the settings say so. */

import { execFileSync } from 'node:child_process'
import { chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, listening, startChild } from './child.ts'

const HOST = '127.0.0.1'

/** `databases` and `settings` are lines of the sections [databases] and [pgbouncer]; `folder` is made. */
export async function startPgbouncerProcess(options: {
  readonly folder: string
  readonly databases: readonly string[]
  readonly user: string
  readonly password: string
  readonly settings?: readonly string[]
}) {
  const { folder, databases, user, password, settings = [] } = options
  mkdirSync(folder)
  const port = await freePort()
  const config = join(folder, 'pgbouncer.ini')
  const users = join(folder, 'users.txt')
  writeFileSync(users, `"${user}" "${password}"\n`)
  const lines = [
    '[databases]',
    ...databases,
    '[pgbouncer]',
    `listen_addr = ${HOST}`,
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = scram-sha-256',
    `auth_file = ${users}`,
    'pool_mode = session',
    'server_tls_sslmode = disable',
    ...settings,
    '',
  ]
  writeFileSync(config, lines.join('\n'))
  const as = process.geteuid?.() === 0 ? idsOf('postgres') : undefined
  if (as) for (const path of [folder, config, users]) chownSync(path, as.uid, as.gid)
  const child = startChild('pgbouncer', [config], { logFile: join(folder, 'log'), folder, ...as })
  await listening(port, child)
  return { host: HOST, port, pid: child.pid, stop: () => child.end('SIGTERM') }
}

/** It refuses to run as root. */
function idsOf(user: string): { uid: number; gid: number } {
  const [uid, gid] = ['-u', '-g'].map(flag => Number(execFileSync('id', [flag, user], { encoding: 'utf8' })))
  return { uid: uid!, gid: gid! }
}
