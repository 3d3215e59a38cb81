import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { holdsPublicKey } from '../../../../src/identity/factors/public-key.ts'

const folder = t.testdir()

/** What ssh-keygen says: the line of a new key, and the blob in it. */
function newKey(name: string, ...args: string[]): { line: string; blob: Buffer } {
  const file = join(folder, name)
  execFileSync('ssh-keygen', ['-q', '-N', '', '-C', 'alice laptop', '-f', file, ...args])
  return readKey(`${file}.pub`)
}

function readKey(file: string): { line: string; blob: Buffer } {
  const line = readFileSync(file, 'utf8')
  return { line, blob: Buffer.from(line.split(' ')[1]!, 'base64') }
}

const ed25519 = newKey('ed25519', '-t', 'ed25519')

t.test('each of a user’s keys is held, whatever its type', async t => {
  const kinds = [
    ['ecdsa', '-b', '256'],
    ['ecdsa', '-b', '384'],
    ['ecdsa', '-b', '521'],
    ['rsa', '-b', '2048'],
  ]
  const keys = kinds.map((args, index) => newKey(`key${index}`, '-t', ...args))
  const lines = keys.map(key => key.line)
  for (const { blob } of keys) {
    t.ok(holdsPublicKey(lines, blob))
    t.notOk(holdsPublicKey([ed25519.line], blob))
  }
  t.notOk(holdsPublicKey([], ed25519.blob))
})

t.test('a key that differs in a single bit, or is cut or longer, is another key', async t => {
  const { line, blob } = ed25519
  for (let bit = 0; bit < blob.length * 8; bit++) {
    const other = Buffer.from(blob)
    other[bit >> 3]! ^= 1 << (bit & 7)
    t.notOk(holdsPublicKey([line], other))
  }
  for (const other of [Buffer.alloc(0), blob.subarray(0, -1), Buffer.concat([blob, Buffer.alloc(1)])]) {
    t.notOk(holdsPublicKey([line], other))
  }
})

t.test('a line that cannot be read, of a weak key or with options holds nothing', async t => {
  const weak = newKey('weak', '-t', 'rsa', '-b', '1024')
  t.notOk(holdsPublicKey([weak.line], weak.blob))
  t.notOk(holdsPublicKey([`from="10.0.0.0/8" ${ed25519.line}`], ed25519.blob))
  for (const line of ['', 'ssh-ed25519', 'ssh-ed25519 ', 'garbage']) t.notOk(holdsPublicKey([line], Buffer.alloc(0)))
})

t.test('CVE-2025-49825: a certificate is no key, neither as a line nor as a proof', async t => {
  newKey('authority', '-t', 'ed25519')
  execFileSync('ssh-keygen', ['-q', '-s', join(folder, 'authority'), '-I', 'alice', join(folder, 'ed25519.pub')])
  const certificate = readKey(join(folder, 'ed25519-cert.pub'))
  t.notOk(holdsPublicKey([ed25519.line], certificate.blob))
  t.notOk(holdsPublicKey([certificate.line], certificate.blob))
  t.notOk(holdsPublicKey([certificate.line], ed25519.blob))
})
