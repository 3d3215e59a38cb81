/** A gateway with one SSH target that alice reaches by her key, and the usual client programs pointed at it. */

import { readFileSync } from 'node:fs'
import type { Test } from 'tap'
import type { RoleInput } from '../../src/policy/role.ts'
import type { RecordedEvent } from '../../src/recording/format/events.ts'
import { Secret } from '../../src/shared/secret.ts'
import { clientOptions, type SshProcess, startClient } from './ssh-client.ts'
import { startTestGateway, type TestGateway, type TestGatewayOptions, type TestUser } from './start-gateway.ts'
import { makeKey, type Sshd, type SshdOptions, startSshd } from './start-sshd.ts'

export interface SshGateway {
  readonly gateway: TestGateway
  readonly sshd: Sshd
  readonly alice: TestUser
  /** alice's private key. */
  readonly identityFile: string
  readonly login: string
  /** Options for OpenSSH's programs, without the port (ssh and scp spell it differently). */
  readonly options: string[]
  /** `ssh` with these arguments behind the login. */
  ssh(...command: string[]): SshProcess
  /** Any program: its arguments see the gateway through an ssh_config. */
  run(program: string, ...args: string[]): SshProcess
  /** What the newest session recorded, once it has ended. */
  recorded(): Promise<{ session: string; reason: string; events: RecordedEvent[] }>
}

export interface SshGatewayOptions {
  readonly role?: Partial<RoleInput>
  readonly sshd?: SshdOptions
  readonly gateway?: TestGatewayOptions
  readonly account?: (sshd: Sshd) => { name: string; password: string }
}

export async function startSshGateway(t: Test, options: SshGatewayOptions = {}): Promise<SshGateway> {
  const sshd = await startSshd(options.sshd)
  t.teardown(() => sshd.stop())
  const gateway = await startTestGateway(options.gateway)
  t.teardown(() => gateway.close())
  const byPassword = options.account?.(sshd)
  const account = byPassword?.name ?? sshd.account
  const { host, port, hostKeys } = sshd
  await gateway.addRole({
    name: 'ops',
    targets: { names: ['web-01'] },
    accounts: { names: [account] },
    factors: [['publickey']],
    ...options.role,
  })
  await gateway.addTarget(
    { name: 'web-01', protocol: 'ssh', host, port, hostKeys, accounts: [{ name: account }] },
    {
      [account]:
        byPassword === undefined
          ? { kind: 'private-key', privateKey: new Secret(sshd.privateKey) }
          : { kind: 'password', password: new Secret(byPassword.password) },
    },
  )
  const identityFile = makeKey(sshd.folder, 'alice', 'ed25519')
  const publicKeys = [readFileSync(`${identityFile}.pub`, 'utf8').trim()]
  const alice = await gateway.addUser({ name: 'alice', roles: ['ops'], publicKeys })
  const login = `alice+${account}+web-01`
  const common = ['-F', 'none', ...clientOptions({ identityFile })]
  const at = gateway.ssh!
  return {
    gateway,
    sshd,
    alice,
    identityFile,
    login,
    options: common,
    ssh: (...command) =>
      startClient('ssh', [...common, '-p', String(at.port), '-l', login, at.host, ...command], { identityFile }),
    run: (program, ...args) => startClient(program, args, { identityFile }),
    async recorded() {
      const [row] = await gateway.parts.sessions.list({ limit: 1 })
      const { reason } = await gateway.ended(row!.id)
      const recording = await gateway.parts.recordings.read(row!.id)
      const events: RecordedEvent[] = []
      for await (const event of recording) events.push(event)
      return { session: row!.id, reason, events }
    },
  }
}
