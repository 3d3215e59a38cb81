/** A real sshd of the system on a free port, its files in a throw-away folder, for tests. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'

export interface SshdOptions {
  /** Lines for sshd_config; the first of a keyword wins over the defaults here. */
  readonly config?: string[]
  readonly hostKeyTypes?: ('ed25519' | 'ecdsa' | 'rsa')[]
  /** Makes a throw-away system account with a password (root only). */
  readonly passwordAccount?: boolean
  /** The sshd program; a newer one than the system's. */
  readonly program?: string
  readonly port?: number
}

export interface Sshd {
  readonly host: string
  readonly port: number
  /** Lines as in known_hosts without the host. */
  readonly hostKeys: string[]
  /** The current user, whose key is authorised. */
  readonly account: string
  readonly privateKey: string
  readonly identityFile: string
  readonly passwordAccount: { readonly name: string; readonly password: string } | undefined
  readonly folder: string
  log(): string
  stop(): Promise<void>
}

export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-sshd-'))
  const identityFile = makeKey(folder, 'identity', 'ed25519')
  writeFileSync(join(folder, 'authorized_keys'), readFileSync(`${identityFile}.pub`))
  const hostKeyFiles = (options.hostKeyTypes ?? ['ed25519']).map(type => makeKey(folder, `host_${type}`, type))
  const passwordAccount = options.passwordAccount ? addAccount(folder) : undefined
  const port = options.port ?? (await freePort())
  const configFile = join(folder, 'sshd_config')
  writeFileSync(
    configFile,
    [
      ...(options.config ?? []),
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      ...hostKeyFiles.map(file => `HostKey ${file}`),
      `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
      `PidFile ${join(folder, 'sshd.pid')}`,
      'StrictModes no',
      'UsePAM no',
      'PermitRootLogin prohibit-password',
      `PasswordAuthentication ${passwordAccount ? 'yes' : 'no'}`,
      'KbdInteractiveAuthentication no',
      'MaxStartups 200',
      'MaxSessions 100',
      'AcceptEnv LANG LC_*',
      'PrintMotd no',
      'PrintLastLog no',
      'Subsystem sftp internal-sftp',
      '',
    ].join('\n'),
  )
  if (userInfo().uid === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
  const logFile = join(folder, 'log')
  writeFileSync(logFile, '')
  const child = spawn(options.program ?? '/usr/sbin/sshd', ['-D', '-f', configFile, '-E', logFile], { stdio: 'ignore' })
  await listening(port, child, logFile)
  return {
    host: '127.0.0.1',
    port,
    hostKeys: hostKeyFiles.map(file => readFileSync(`${file}.pub`, 'utf8').split(' ').slice(0, 2).join(' ')),
    account: userInfo().username,
    privateKey: readFileSync(identityFile, 'utf8'),
    identityFile,
    passwordAccount,
    folder,
    log: () => readFileSync(logFile, 'utf8'),
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill()
        await once(child, 'exit')
      }
      if (passwordAccount !== undefined) removeAccount(passwordAccount.name)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Makes a key pair without passphrase; gives the path of the private half. */
export function makeKey(folder: string, name: string, type: 'ed25519' | 'ecdsa' | 'rsa'): string {
  const file = join(folder, name)
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', 'test', '-f', file])
  return file
}

function addAccount(folder: string): { name: string; password: string } {
  const name = `sp${randomBytes(6).toString('hex')}`
  const password = randomBytes(18).toString('base64url')
  execFileSync('useradd', ['--create-home', '--home-dir', join(folder, 'home'), '--shell', '/bin/bash', name])
  execFileSync('chpasswd', { input: `${name}:${password}\n` })
  execFileSync('chmod', ['0755', folder])
  return { name, password }
}

/** A process of a session that has just ended may linger for a moment: userdel then refuses. */
function removeAccount(name: string): void {
  execFileSync('userdel', ['--force', name], { stdio: 'ignore' })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function listening(port: number, child: ChildProcess, logFile: string): Promise<void> {
  while (child.exitCode === null) {
    const socket = connect(port, '127.0.0.1')
    const open = await Promise.race([
      once(socket, 'connect').then(
        () => true,
        () => false,
      ),
    ])
    socket.destroy()
    if (open) return
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  throw new Error(`sshd did not start: ${readFileSync(logFile, 'utf8')}`)
}
