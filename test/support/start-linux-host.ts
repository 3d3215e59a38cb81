/**
 * A Linux host of the tests' own behind a real sshd with PAM: the system's programs with an /etc and a /run of its own (a mount namespace),
 * so that its accounts, its sudoers and its PAM may be anything without the machine noticing. Root alone can make one.
 */

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TargetInput, targetSchema } from '../../src/targets/target.ts'
import { onFreePort, removeFolder, startChild } from './child.ts'
import { makeKey } from './start-sshd.ts'

export interface LinuxAccount {
  readonly name: string
  readonly password?: string
  /** Not given: bash. */
  readonly shell?: string
  /** What may follow `NAME ALL=` in sudoers. */
  readonly sudo?: string
}

export interface LinuxHostOptions {
  readonly accounts: readonly LinuxAccount[]
  /** Shell commands that make it what it is, before sshd starts. */
  readonly setup?: string
  /** Lines for sshd_config; the first of a keyword wins over the defaults here. */
  readonly config?: readonly string[]
}

/** Why none can be made here; undefined where one can. */
export function whyNoLinuxHost(): string | undefined {
  try {
    execFileSync('unshare', ['--mount', 'true'], { stdio: 'ignore' })
    return undefined
  } catch {
    return 'a host with accounts of its own needs root and mount namespaces'
  }
}

export async function startLinuxHost({ accounts, setup = '', config = [] }: LinuxHostOptions) {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-host-'))
  chmodSync(folder, 0o755)
  for (const part of ['etc', 'run', 'home']) mkdirSync(join(folder, part))
  const rootKey = makeKey(folder, 'root', 'ed25519')
  const hostKey = makeKey(folder, 'host', 'ed25519')
  const configFile = join(folder, 'sshd_config')
  const { child, port } = await onFreePort(async port => {
    writeFileSync(configFile, sshdConfig(folder, port, hostKey, config))
    const child = startChild(
      'unshare',
      ['--mount', '--propagation', 'private', '/bin/sh', '-ec', script(accounts, setup), 'host', folder],
      {
        logFile: join(folder, 'log'),
        folder,
      },
    )
    await child.printed(/Server listening on 127/)
    return { child, port }
  })
  const names = accounts.map(({ name }) => ({ name }))
  const target = targetSchema.parse({
    ...{
      name: 'web-01',
      protocol: 'ssh',
      host: '127.0.0.1',
      port,
      hostKeys: [readFileSync(`${hostKey}.pub`, 'utf8').trim()],
    },
    accounts: [...names, { name: 'root' }],
    allowLocal: true,
  } satisfies TargetInput)
  return {
    target,
    folder,
    /** Logs in as root. */
    rootKey: readFileSync(rootKey, 'utf8'),
    account: (name: string) => target.accounts.find(account => account.name === name)!,
    /** Runs shell commands on the host, as root. */
    run: (commands: string): string =>
      execFileSync('nsenter', [`--mount=/proc/${child.pid}/ns/mnt`, '/bin/sh', '-ec', commands], { encoding: 'utf8' }),
    log: () => child.output(),
    async stop() {
      await child.end('SIGTERM')
      removeFolder(folder)
    },
  }
}

function script(accounts: readonly LinuxAccount[], setup: string): string {
  return [
    'for part in etc run; do mount -t tmpfs -o mode=755,size=32m tmpfs "$1/$part"; done',
    'cp -a /etc/. "$1/etc"',
    'mkdir "$1/run/sshd" "$1/run/lock"; chmod 1777 "$1/run/lock"',
    'mount --bind "$1/etc" /etc; mount --bind "$1/run" /run',
    'cp "$1/root.pub" /etc/ssh/root_keys',
    // A wrong password is refused at once.
    'sed -i "s/pam_unix.so/pam_unix.so nodelay/" /etc/pam.d/common-auth',
    ...accounts.flatMap(({ name, password, shell = '/bin/bash', sudo }) => [
      `useradd --create-home --base-dir "$1/home" --shell ${shell} '${name}'`,
      password === undefined ? '' : `chpasswd <<'PASSWORD'\n${name}:${password}\nPASSWORD`,
      sudo === undefined ? '' : `echo '${name} ALL=${sudo}' >'/etc/sudoers.d/${name}'`,
    ]),
    setup,
    'exec /usr/sbin/sshd -D -e -f "$1/sshd_config"',
  ].join('\n')
}

function sshdConfig(folder: string, port: number, hostKey: string, config: readonly string[]): string {
  return [
    ...config,
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${hostKey}`,
    `PidFile ${join(folder, 'sshd.pid')}`,
    'UsePAM yes',
    'StrictModes yes',
    'PermitRootLogin yes',
    'PasswordAuthentication yes',
    'KbdInteractiveAuthentication no',
    'MaxStartups 200',
    'PrintMotd no',
    'PrintLastLog no',
    'Subsystem sftp internal-sftp',
    'Match User root',
    // Where StrictModes has nothing against the folders above.
    'AuthorizedKeysFile /etc/ssh/root_keys .ssh/authorized_keys',
    '',
  ].join('\n')
}

/** One that no other test has. */
export function accountName(): string {
  return `sp${randomBytes(5).toString('hex')}`
}
