/** Shared accounts whose host asks for a one-time code as well (pam_oath): the gateway answers by itself, and gives no host more than one. */

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type * as Ssh2 from 'ssh2'
import t, { type Test } from 'tap'
import { connectTarget } from '../../../src/protocols/ssh/target-side/upstream.ts'
import { NO_REKEYING } from '../../../src/protocols/ssh/transport/transport.ts'
import { systemClock } from '../../../src/shared/clock.ts'
import { oneTimeCode, type TotpSeed } from '../../../src/shared/one-time-code.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { type Target, targetSchema } from '../../../src/targets/target.ts'
import type { CredentialMaterial } from '../../../src/vault/lease.ts'
import { directDialer } from '../../support/direct-dialer.ts'
import { asOwner } from '../../support/run-cli.ts'
import { clientOptions, startClient } from '../../support/ssh-client.ts'
import { startTestGateway } from '../../support/start-gateway.ts'
import { accountName, startLinuxHost, whyNoLinuxHost } from '../../support/start-linux-host.ts'
import { startPasswordHost } from '../../support/start-password-host.ts'
import { makeKey } from '../../support/start-sshd.ts'

const PASSWORD = 'a shared "secret"'
const bytes = randomBytes(20)
const seed: TotpSeed = { secret: new Secret(bytes), algorithm: 'sha1', digits: 6, period: 30 }
const signal = AbortSignal.timeout(120_000)

function material(codes: string[], secret: 'password' | { privateKey: string } = 'password'): CredentialMaterial {
  const nextCode = async () => new Secret(codes.shift() ?? 'none left')
  return secret === 'password'
    ? { kind: 'password', password: new Secret(PASSWORD), nextCode }
    : { kind: 'private-key', privateKey: new Secret(secret.privateKey), nextCode }
}

function logIn(target: Target, name: string, given: CredentialMaterial) {
  const account = target.accounts.find(each => each.name === name)!
  const login = { target, account, material: given, dialer: directDialer(target) }
  return connectTarget(login, NO_REKEYING, systemClock, signal).then(upstream => upstream.close())
}

t.test('a real sshd with pam_oath', { skip: whyNoLinuxHost() ?? false }, async t => {
  const [both, keyAndCode] = [accountName(), accountName()]
  const oathtool = (...args: string[]) =>
    execFileSync('oathtool', ['--totp', ...args, bytes.toString('hex')])
      .toString()
      .trim()
  const host = await startLinuxHost({
    accounts: [both, keyAndCode].map(name => ({ name, password: PASSWORD })),
    setup: [
      ...[both, keyAndCode].map(name => `echo 'HOTP/T30/6 ${name} - ${bytes.toString('hex')}' >>/etc/users.oath`),
      'chmod 600 /etc/users.oath',
      `printf '%s\\n' 'auth [success=1 default=ignore] pam_succeed_if.so quiet user = ${keyAndCode}' 'auth required pam_unix.so' 'auth required pam_oath.so usersfile=/etc/users.oath window=5' 'account required pam_permit.so' 'session required pam_permit.so' >/etc/pam.d/sshd`,
      `install -d -m 700 -o ${keyAndCode} "$1/home/${keyAndCode}/.ssh"`,
      `install -m 600 -o ${keyAndCode} "$1/root.pub" "$1/home/${keyAndCode}/.ssh/authorized_keys"`,
    ].join('\n'),
    config: [
      'KbdInteractiveAuthentication yes',
      'AuthenticationMethods publickey,keyboard-interactive keyboard-interactive',
    ],
  })
  t.teardown(() => host.stop())
  const base32 = /Base32 secret: (\w+)/.exec(oathtool('--verbose'))![1]!
  // pam_oath takes no code twice, and some of those that come next or came before.
  let step = Math.floor(Date.now() / 30_000) - 5
  const code = () => oneTimeCode(seed, step++)
  t.equal(oneTimeCode(seed, step), oathtool('--now', `@${step * 30}`))

  await t.test('a password and a code, a key and a code', async t => {
    await t.resolves(logIn(host.target, both, material([code()])))
    await t.resolves(logIn(host.target, keyAndCode, material([code()], { privateKey: host.rootKey })))
    await t.rejects(logIn(host.target, both, material(['000000'])), { code: 'TARGET_LOGIN_FAILED' })
    const without = { kind: 'password', password: new Secret(PASSWORD) } as const
    await t.rejects(logIn(host.target, both, without), { code: 'TARGET_AUTHENTICATION_REFUSED' })
  })

  await t.test('a session logs in with the seed that the vault holds', async t => {
    const gateway = await startTestGateway()
    t.teardown(() => gateway.close())
    const { name } = host.target
    await gateway.addRole({
      ...{ name: 'ops', targets: { names: [name] }, accounts: { names: [both] } },
      factors: [['publickey']],
    })
    await gateway.addTarget({ ...host.target, accounts: [{ name: both }] })
    const address = `otpauth://totp/${name}:${both}?secret=${base32}&issuer=${name}`
    const set = ['credential', 'set', `${both}@${name}`, '--stdin', '--totp']
    t.match(await asOwner(gateway, set, { stdin: `${PASSWORD}\n${address}\n` }), {
      exit: 0,
      stdout: /Stored version 1/,
    })
    const wrong = await asOwner(gateway, set, {
      stdin: `${PASSWORD}\notpauth://totp/x?secret=${base32.slice(0, 20)}1\n`,
    })
    t.match(wrong, { exit: 2, stderr: /one-time code secret cannot be used: it holds a character/ })
    t.notMatch(wrong.stderr + wrong.stdout, base32.slice(0, 16))
    t.match(await asOwner(gateway, set, { stdin: PASSWORD }), { exit: 2, stderr: /two lines/ })
    const identityFile = makeKey(gateway.folder, 'alice', 'ed25519')
    const publicKeys = [readFileSync(`${identityFile}.pub`, 'utf8').trim()]
    await gateway.addUser({ name: 'alice', roles: ['ops'], publicKeys })
    const options = ['-F', 'none', ...clientOptions({ identityFile }), '-p', String(gateway.ssh!.port)]
    const login = [...options, '-l', `alice+${both}+${name}`, '127.0.0.1', 'id -un']
    t.match(await startClient('ssh', login, { identityFile }).ended, { status: 0, stdout: both })
    const { last_step } = await gateway.parts.database.selectFrom('code_steps').selectAll().executeTakeFirstOrThrow()
    t.ok(Number(last_step) >= step, 'its code is given to nobody any more')
  })
})

/** A hostile host that asks what it likes, and keeps what it gets. */
async function startAskingHost(t: Test, rounds: Ssh2.Prompt[][]): Promise<{ target: Target; got: string[] }> {
  const got: string[] = []
  const { host, port, hostKeys } = await startPasswordHost(t, {
    behave(context) {
      if (context.method !== 'keyboard-interactive') return context.reject(['keyboard-interactive'])
      const left = [...rounds]
      const ask = (answers: readonly string[] = []): void => {
        got.push(...answers)
        const prompts = left.shift()
        if (prompts === undefined) context.accept()
        else context.prompt(prompts, ask)
      }
      ask()
    },
  })
  const target = targetSchema.parse({
    name: 'web-01',
    protocol: 'ssh',
    host,
    port,
    hostKeys,
    accounts: [{ name: 'root' }],
  })
  return { target, got }
}

t.test('a hostile host gets the password once and one code, whatever it asks', async t => {
  const password = { prompt: 'Password: ', echo: false }
  const code = { prompt: 'Verification code: ', echo: false }
  const cases: [string, Ssh2.Prompt[][], string[]][] = [
    ['both', [[password], [code]], [PASSWORD, '111111']],
    ['the other way round', [[code], [password]], ['111111', PASSWORD]],
    ['in one message', [[password, code]], [PASSWORD, '111111']],
    ['the password twice', [[password], [password]], [PASSWORD]],
    ['two codes', [[code], [code]], ['111111']],
    ['a code and one more', [[password], [code], [code]], [PASSWORD, '111111']],
    ['anything afterwards', [[password], [code], [{ prompt: '?', echo: false }]], [PASSWORD, '111111']],
    ['the password where it is shown', [[{ prompt: 'Password: ', echo: true }]], []],
    ['three at once', [[password, code, code]], []],
  ]
  for (const [what, rounds, expected] of cases) {
    const { target, got } = await startAskingHost(t, rounds)
    const given = material(['111111', '222222', '333333'])
    const honest = expected.length === rounds.flat().length
    const tried = logIn(target, 'root', given)
    await (honest ? t.resolves(tried, what) : t.rejects(tried, { code: 'TARGET_AUTHENTICATION_REFUSED' }, what))
    t.same(got, expected, what)
  }
})
