/** Each cipher, MAC and key exchange that the gateway offers carries data both ways, through changes of keys; older ones are not offered. */

import { createHash, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { CIPHERS, KEY_EXCHANGES, MACS } from '../../../src/protocols/ssh/transport/algorithms.ts'
import { startSshGateway } from '../../support/ssh-gateway.ts'

const { run, options, gateway, login, sshd } = await startSshGateway(t)
const { host, port } = gateway.ssh!
const bytes = randomBytes(700_000)
const file = join(sshd.folder, 'data')
writeFileSync(file, bytes)
const sha256 = createHash('sha256').update(bytes).digest('hex')

function echo(...algorithms: string[]) {
  const ssh = ['ssh', ...options, '-o', 'RekeyLimit=200K', ...algorithms, '-p', String(port), '-l', login, host, 'cat']
  return run('sh', '-c', `${ssh.join(' ')} < ${file} | sha256sum`).ended
}

for (const cipher of CIPHERS) {
  for (const mac of cipher.endsWith('-ctr') ? MACS : MACS.slice(0, 1)) {
    t.test(`${cipher} ${cipher.endsWith('-ctr') ? mac : ''}`, async t => {
      const { stdout, stderr } = await echo('-c', cipher, '-m', mac)
      t.equal(stdout.slice(0, 64), sha256, stderr)
    })
  }
}

for (const exchange of KEY_EXCHANGES.filter(name => !name.startsWith('mlkem'))) {
  t.test(exchange, async t => {
    t.match(await echo('-o', `KexAlgorithms=${exchange}`), { stdout: new RegExp(sha256) })
  })
}

t.test('what is old is not offered', async t => {
  for (const old of [
    'KexAlgorithms=diffie-hellman-group14-sha256',
    'Ciphers=aes128-cbc',
    'MACs=hmac-sha1',
    'HostKeyAlgorithms=ssh-rsa',
  ]) {
    const ciphers = old.startsWith('MACs') ? ['-c', 'aes128-ctr'] : []
    t.match(await echo('-o', old, ...ciphers), { stderr: /Unable to negotiate/ }, old)
  }
})

t.test('sequence numbers begin anew with the keys (strict key exchange), as both ends say', async t => {
  const { stdout, stderr } = await echo('-vvv')
  t.match(stdout, sha256)
  t.match(stderr, /strict KEX ordering/)
})
