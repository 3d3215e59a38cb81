/** The ways to one sshd: straight, through a second sshd (ProxyJump), through HAProxy, through the gateway. */

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startSshd } from '../test/support/start-sshd.ts'
import { startHaproxy } from './peers.ts'
import { type MeasuredGateway, startMeasuredGateway } from './start-gateway.ts'

export const SSH_WAYS = ['direct', 'ProxyJump', 'HAProxy', 'Sallyport'] as const
export type SshWay = (typeof SSH_WAYS)[number]

export interface SshBench {
  readonly gateway: MeasuredGateway
  readonly identityFile: string
  readonly login: string
  /** A folder on the target for what commands read. */
  readonly targetFolder: string
  /** Starts OpenSSH's client on the way, with the same algorithms on every leg; stdout is a pipe. */
  start(way: SshWay, command: string): ReturnType<typeof spawn>
  /** Runs a command by `ssh -J` through the gateway, or through OpenSSH's sshd, as `run` does. */
  runJump(through: 'ProxyJump' | 'Sallyport', command: string): Promise<void>
  /** Runs a command on the way, its output read and thrown away. Throws when it fails. `keptWhole`: the gateway's recording has all of it. */
  run(way: SshWay, command: string, keptWhole?: boolean): Promise<void>
}

/** `ssh -J` through the gateway, with a certificate of its CA in place of a known key. */
const AS_JUMP_HOST = 'host'

/** The same host under a second name, for sessions that are recorded wholly. */
const KEPT_WHOLE = 'host-kept-whole'
const NAMES = ['host', KEPT_WHOLE]
const MANY = ['MaxStartups 2000', 'MaxSessions 1000', 'LoginGraceTime 0']

export async function setUpSsh(folder: string, stack: AsyncDisposableStack): Promise<SshBench> {
  const target = await startSshd({ config: MANY })
  stack.defer(() => target.stop())
  const jump = await startSshd({ config: MANY })
  stack.defer(() => jump.stop())
  const haproxyPort = await startHaproxy(join(folder, 'haproxy-ssh'), target.port, stack)

  const identityFile = join(folder, 'bench.key')
  await promisify(execFile)('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', identityFile])
  const gatewayFolder = join(folder, 'gateway-ssh')
  await mkdir(gatewayFolder, { mode: 0o700 })
  const gateway = await startMeasuredGateway({
    folder: gatewayFolder,
    publicKey: (await readFile(`${identityFile}.pub`, 'utf8')).trim(),
    password: 'not used by this bench',
    targets: NAMES.map(name => ({
      protocol: 'ssh',
      name,
      host: target.host,
      port: target.port,
      hostKeys: target.hostKeys,
      accounts: [{ name: target.account }],
    })),
    keptWhole: [KEPT_WHOLE],
    credentials: Object.fromEntries(
      NAMES.map(name => [`${target.account}@${name}`, { privateKey: target.privateKey }] as const),
    ),
  })
  stack.defer(() => gateway.stop())

  const login = `bench+${target.account}+host`
  const config = join(folder, 'ssh_config')
  const host = (name: string, port: number, user: string, key: string, more = '') =>
    `Host ${name}\n  HostName 127.0.0.1\n  Port ${port}\n  User ${user}\n  IdentityFile ${key}\n${more}`
  await writeFile(
    config,
    [
      host('direct', target.port, target.account, target.identityFile),
      host('jump', jump.port, jump.account, jump.identityFile),
      host('ProxyJump', target.port, target.account, target.identityFile, '  ProxyJump jump\n'),
      host('HAProxy', haproxyPort, target.account, target.identityFile),
      host('Sallyport', gateway.ports.ssh, login, identityFile),
      host(KEPT_WHOLE, gateway.ports.ssh, `${login}-kept-whole`, identityFile),
      host('gateway', gateway.ports.ssh, 'bench', identityFile),
      `Host ${AS_JUMP_HOST}\n  User ${target.account}\n  ProxyJump gateway`,
      'Host *\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n  IdentitiesOnly yes',
      '  IdentityAgent none\n  Ciphers aes128-gcm@openssh.com\n  KexAlgorithms curve25519-sha256\n  BatchMode yes\n',
    ].join('\n'),
  )
  const start = (host: string, command: string) =>
    spawn('ssh', ['-F', config, host, command], { stdio: ['ignore', 'pipe', 'inherit'] })
  const toEnd = async (host: string, command: string) => {
    const child = start(host, command)
    child.stdout!.resume()
    const [code] = await once(child, 'exit')
    if (code !== 0) throw new Error(`ssh to ${host} ended with ${code}`)
  }
  return {
    gateway,
    identityFile,
    login,
    targetFolder: target.folder,
    start,
    run: (way, command, keptWhole = false) => toEnd(keptWhole && way === 'Sallyport' ? KEPT_WHOLE : way, command),
    runJump: (through, command) => toEnd(through === 'Sallyport' ? AS_JUMP_HOST : through, command),
  }
}
