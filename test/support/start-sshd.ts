/** A real sshd of the system on a free port, its files in a throw-away folder, for tests. */

import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { onFreePort, removeFolder, startChild } from './child.ts'

export interface SshdOptions {
  /** Lines for sshd_config; the first of a keyword wins over the defaults here. */
  readonly config?: string[]
  readonly hostKeyTypes?: ('ed25519' | 'ecdsa' | 'rsa')[]
  /** Makes a throw-away system account with a password (root only). */
  readonly passwordAccount?: boolean
  /** The sshd program; a newer one than the system's. */
  readonly program?: string
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
  const account = options.passwordAccount ? addAccount(folder) : undefined
  if (userInfo().uid === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
  const configFile = join(folder, 'sshd_config')
  const { child, port } = await onFreePort(async port => {
    writeFileSync(configFile, sshdConfig(options, folder, port, hostKeyFiles, account !== undefined))
    const child = startChild(options.program ?? '/usr/sbin/sshd', ['-D', '-e', '-f', configFile], {
      logFile: join(folder, 'log'),
      folder,
    })
    await child.printed(/Server listening on 127/)
    return { child, port }
  })
  return {
    host: '127.0.0.1',
    port,
    hostKeys: hostKeyFiles.map(file => readFileSync(`${file}.pub`, 'utf8').split(' ').slice(0, 2).join(' ')),
    account: userInfo().username,
    privateKey: readFileSync(identityFile, 'utf8'),
    identityFile,
    passwordAccount: account,
    folder,
    log: () => child.output(),
    async stop() {
      await child.end('SIGTERM')
      account?.remove()
      removeFolder(folder)
    },
  }
}

function sshdConfig(
  options: SshdOptions,
  folder: string,
  port: number,
  hostKeyFiles: string[],
  passwords: boolean,
): string {
  return [
    ...(options.config ?? []),
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    ...hostKeyFiles.map(file => `HostKey ${file}`),
    `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
    `PidFile ${join(folder, 'sshd.pid')}`,
    'StrictModes no',
    'UsePAM no',
    'PermitRootLogin prohibit-password',
    `PasswordAuthentication ${passwords ? 'yes' : 'no'}`,
    'KbdInteractiveAuthentication no',
    'MaxStartups 200',
    'MaxSessions 100',
    'AcceptEnv LANG LC_*',
    'PrintMotd no',
    'PrintLastLog no',
    'Subsystem sftp internal-sftp',
    '',
  ].join('\n')
}

/** Makes a key pair without passphrase; gives the path of the private half. */
export function makeKey(folder: string, name: string, type: 'ed25519' | 'ecdsa' | 'rsa'): string {
  const file = join(folder, name)
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', 'test', '-f', file])
  return file
}

interface ThrowAwayAccount {
  readonly name: string
  readonly password: string
  remove(): void
}

/** Also removed when this process is killed: a shell waits for its end. */
function addAccount(folder: string): ThrowAwayAccount {
  const name = `sp${randomBytes(6).toString('hex')}`
  const password = randomBytes(18).toString('base64url')
  execFileSync('useradd', ['--create-home', '--home-dir', join(folder, 'home'), '--shell', '/bin/bash', name])
  execFileSync('chpasswd', { input: `${name}:${password}\n` })
  execFileSync('chmod', ['0755', folder])
  const guard = spawn('/bin/sh', ['-c', 'read _; userdel --force "$1"', 'guard', name], {
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
    detached: true,
  })
  guard.unref()
  guard.stdin.on('error', () => undefined)
  ;(guard.stdin as unknown as { unref(): void }).unref()
  return {
    name,
    password,
    remove() {
      guard.kill('SIGKILL')
      // Its last process may still be ending: --force removes it all the same.
      execFileSync('userdel', ['--force', name], { stdio: 'ignore' })
    },
  }
}
