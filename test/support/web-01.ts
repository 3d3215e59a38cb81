/** A gateway with one SSH target, `web-01`, and a session on it: what tests of the API and the command line look at. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RoleInput } from '../../src/policy/role.ts'
import { Secret } from '../../src/shared/secret.ts'
import { asOwner } from './run-cli.ts'
import { type SshProcess, type SshResult, startSsh } from './ssh-client.ts'
import type { TestGateway, TestUser } from './start-gateway.ts'
import type { Sshd } from './start-sshd.ts'

/** Describes the target and its role `ops` (with `terms` of its own), and enrols alice. */
export async function addWeb01(gateway: TestGateway, sshd: Sshd, terms: Partial<RoleInput> = {}): Promise<TestUser> {
  const scope = { targets: { names: ['web-01'] }, accounts: { names: [sshd.account] } }
  await gateway.addRole({ name: 'ops', ...scope, ...terms })
  const { host, port, hostKeys, account, privateKey } = sshd
  await gateway.addTarget(
    { name: 'web-01', protocol: 'ssh', host, port, hostKeys, accounts: [{ name: account }] },
    { [account]: { kind: 'private-key', privateKey: new Secret(privateKey) } },
  )
  return gateway.addUser({ name: 'alice', roles: ['ops'] })
}

type Login = Pick<TestUser, 'name' | 'password' | 'code'>

/** Begins a session; it runs `command` on the target. */
export function startSession(
  gateway: TestGateway,
  { name, password, code }: Login,
  account: string,
  command: string,
): SshProcess {
  return startSsh(gateway.ssh!, `${name}+${account}+web-01`, { password, code }, command)
}

/** The id of the newest session, and what ssh said, after a whole session. */
export async function runSession(
  gateway: TestGateway,
  user: Login,
  account: string,
  command: string,
): Promise<SshResult & { session: string }> {
  const result = await startSession(gateway, user, account, command).ended
  const [row] = await gateway.parts.sessions.list({ limit: 1 })
  await gateway.ended(row!.id)
  return { ...result, session: row!.id }
}

/** A token made by the owner on the command line, and the file of the certificate to trust. */
export async function makeToken(
  gateway: TestGateway,
  user: string,
  scope: string,
  name = `${user}-${scope}`,
): Promise<{ token: string; ca: string }> {
  const made = await asOwner(gateway, ['token', 'create', name, '--user', user, '--scope', scope])
  const ca = join(gateway.folder, 'ca.pem')
  writeFileSync(ca, (await asOwner(gateway, ['key', 'certificate'])).stdout)
  return { token: made.stdout.trim(), ca }
}
