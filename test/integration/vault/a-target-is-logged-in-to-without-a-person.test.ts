/** The gateway logs in at a target by itself, with the credential of the vault and nobody's connection: with all that a session's login demands. */

import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { loadProtocols } from '../../../src/gateway/protocols.ts'
import { generateKeyPair } from '../../../src/protocols/ssh/transport/generate-key-pair.ts'
import type { LoginAtTarget } from '../../../src/session/login-at-target.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { type TargetInput, targetSchema } from '../../../src/targets/target.ts'
import type { CredentialMaterial } from '../../../src/vault/lease.ts'
import { directDialer } from '../../support/direct-dialer.ts'
import { startPasswordHost } from '../../support/start-password-host.ts'
import { startPostgres } from '../../support/start-postgres.ts'
import { startSshd } from '../../support/start-sshd.ts'

const served = await loadProtocols()

function logIn(entry: TargetInput, material: CredentialMaterial) {
  const target = targetSchema.parse(entry)
  const login: LoginAtTarget = { target, account: target.accounts[0]!, material, dialer: directDialer(target) }
  return served.of(target.protocol).logIn(login, AbortSignal.timeout(30_000))
}

const refused = (t: Test, entry: TargetInput, material: CredentialMaterial, code: string) =>
  t.rejects(logIn(entry, material), { code })

t.test('an SSH host: with its key, where it shows a pinned one', async t => {
  const sshd = await startSshd()
  t.teardown(() => sshd.stop())
  const { host, port, account, hostKeys } = sshd
  const entry: TargetInput = { name: 'web-01', protocol: 'ssh', host, port, hostKeys, accounts: [{ name: account }] }
  const key = { kind: 'private-key', privateKey: new Secret(sshd.privateKey) } as const
  ;(await logIn(entry, key)).close()
  await refused(t, { ...entry, hostKeys: [] }, key, 'TARGET_IDENTITY_UNKNOWN')
  const stranger = await startPasswordHost(t)
  await refused(t, { ...entry, port: stranger.port }, key, 'TARGET_IDENTITY_MISMATCH')
  await refused(t, entry, { kind: 'private-key', privateKey: generateKeyPair('ed25519').secret }, 'TARGET_LOGIN_FAILED')
  t.same(stranger.given, [])
})

t.test('a database: with its password, where its certificate is the one that is expected', async t => {
  const orders = await startPostgres({ tls: true, sql: "create role app login password 'a secret'" })
  t.teardown(() => orders.stop())
  const ca = readFileSync(orders.caFile!, 'utf8')
  const { port } = orders
  const entry: TargetInput = {
    ...{ name: 'orders', protocol: 'postgres', host: 'localhost', port, ca },
    accounts: [{ name: 'app' }],
  }
  const password = { kind: 'password', password: new Secret('a secret') } as const
  ;(await logIn(entry, password)).close()
  await refused(t, { ...entry, serverName: 'elsewhere' }, password, 'TARGET_IDENTITY_MISMATCH')
  await refused(t, entry, { kind: 'password', password: new Secret('wrong') }, 'TARGET_LOGIN_FAILED')
  await refused(t, entry, { kind: 'private-key', privateKey: new Secret('x') }, 'TARGET_LOGIN_FAILED')
  await refused(t, { ...entry, database: 'nowhere' }, password, 'TARGET_LOGIN_FAILED')
})
