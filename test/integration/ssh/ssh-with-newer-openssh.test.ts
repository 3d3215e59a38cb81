/**
 * A newer OpenSSH than the system's, where `SALLYPORT_TEST_NEWER_OPENSSH` names the folder with its programs: it asks for
 * more, and warns where it does not get it.
 */

import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startSshGateway } from '../../support/ssh-gateway.ts'

const folder = process.env.SALLYPORT_TEST_NEWER_OPENSSH
const skip = folder === undefined && 'SALLYPORT_TEST_NEWER_OPENSSH is not set'

t.test('it agrees on a post-quantum key exchange and has nothing to warn of', { skip }, async t => {
  const { run, options, gateway, login } = await startSshGateway(t)
  const { host, port } = gateway.ssh!
  const ssh = (...args: string[]) =>
    run(join(folder!, 'ssh'), ...options, '-p', String(port), '-l', login, ...args.slice(0, -1), host, args.at(-1)!)
      .ended
  const plain = await ssh('echo in; exit 3')
  t.match(plain, { status: 3, stdout: 'in\n' })
  t.notMatch(plain.stderr, /WARNING|quantum/)
  const talkative = await ssh('-v', 'true')
  t.match(talkative.stderr, /kex: algorithm: mlkem768x25519-sha256/)
  t.match(talkative.stderr, /server-sig-algs=<.*rsa-sha2-512,rsa-sha2-256>/)
  t.match(await ssh('-o', 'RekeyLimit=16K', 'head -c 300000 /dev/zero | wc -c'), { stdout: '300000\n' })
})

t.test('an RSA key is taken with SHA-2', { skip }, async t => {
  const { run, options, gateway, login, sshd, alice, identityFile } = await startSshGateway(t)
  const rsa = join(sshd.folder, 'rsa')
  t.match(await run(join(folder!, 'ssh-keygen'), '-q', '-t', 'rsa', '-N', '', '-f', rsa).ended, { status: 0 })
  const publicKeys = [readFileSync(`${rsa}.pub`, 'utf8').trim()]
  await gateway.addUser({ name: alice.name, roles: ['ops'], publicKeys })
  const { host, port } = gateway.ssh!
  const withRsa = options.map(option => option.replace(identityFile, rsa))
  const result = await run(join(folder!, 'ssh'), ...withRsa, '-p', String(port), '-l', login, host, 'echo in').ended
  t.match(result, { status: 0, stdout: 'in\n' }, result.stderr)
})

t.test('scp and sftp', { skip }, async t => {
  const { run, options, gateway, login, sshd } = await startSshGateway(t)
  const { host, port } = gateway.ssh!
  const file = join(sshd.folder, 'file')
  const bytes = randomBytes(300_000)
  writeFileSync(file, bytes)
  for (const flags of [[], ['-O']]) {
    // scp starts the ssh beside it.
    const scp = [...flags, '-S', join(folder!, 'ssh'), ...options, '-P', String(port)]
    t.match(await run(join(folder!, 'scp'), ...scp, file, `${login}@${host}:${file}.there`).ended, { status: 0 })
    t.ok(readFileSync(`${file}.there`).equals(bytes))
  }
})
