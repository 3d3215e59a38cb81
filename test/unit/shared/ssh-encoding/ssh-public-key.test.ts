import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { HOST_KEY_TYPES, parseSshPublicKey, USER_KEY_TYPES } from '../../../../src/shared/ssh-encoding/public-key.ts'

/** A public key's line, as ssh-keygen makes it. */
function generate(folder: string, type: string, bits: string): string {
  const file = join(folder, `${type}-${bits}`)
  execFileSync('ssh-keygen', ['-q', '-t', type, '-b', bits, '-N', '', '-C', 'alice at home', '-f', file])
  return readFileSync(`${file}.pub`, 'utf8')
}

t.test('the keys that ssh-keygen makes are read', async t => {
  const folder = t.testdir()
  const kinds = [
    ['ed25519', '256', 'ssh-ed25519'],
    ['ecdsa', '256', 'ecdsa-sha2-nistp256'],
    ['ecdsa', '384', 'ecdsa-sha2-nistp384'],
    ['ecdsa', '521', 'ecdsa-sha2-nistp521'],
    ['rsa', '2048', 'ssh-rsa'],
  ] as const
  for (const [kind, bits, type] of kinds) {
    const key = parseSshPublicKey(generate(folder, kind, bits))
    t.match(key, { type, comment: 'alice at home' }, type)
    t.ok(HOST_KEY_TYPES.includes(type) && USER_KEY_TYPES.includes(type))
  }
})

t.test('an RSA key of less than 2048 bits is none', async t => {
  t.equal(parseSshPublicKey(generate(t.testdir(), 'rsa', '1024')), undefined)
})

const ED25519 = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl'

t.test('what is no line of one key is none', async t => {
  t.ok(parseSshPublicKey(ED25519))
  const base64 = ED25519.split(' ')[1]!
  const wrong = [
    '',
    'ssh-ed25519',
    'ssh-ed25519 AAAA',
    `ssh-rsa ${base64}`,
    `ssh-dss ${base64}`,
    `toString ${base64}`,
    `no-pty ${ED25519}`,
    `web-01 ${ED25519}`,
    `${ED25519}\n${ED25519}`,
    `ssh-ed25519 ${Buffer.concat([Buffer.from(base64, 'base64'), Buffer.alloc(4)]).toString('base64')}`,
    `ssh-ed25519 ${Buffer.from(base64, 'base64').subarray(0, -1).toString('base64')}`,
  ]
  for (const line of wrong) t.equal(parseSshPublicKey(line), undefined, line)
})

t.test('property: any bytes behind a known type are a key or none, never a throw', async () => {
  fc.assert(
    fc.property(fc.constantFrom(...USER_KEY_TYPES), fc.uint8Array({ maxLength: 200 }), (type, bytes) => {
      const name = Buffer.alloc(4 + type.length)
      name.writeUInt32BE(type.length)
      name.write(type, 4)
      const blob = Buffer.concat([name, bytes])
      const key = parseSshPublicKey(`${type} ${blob.toString('base64')}`)
      return key === undefined || key.blob.equals(blob)
    }),
  )
})
