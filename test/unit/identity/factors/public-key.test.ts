import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { holdsPublicKey, parsePublicKey } from '../../../../src/identity/factors/public-key.ts'
import { isRefusal } from '../../../../src/shared/errors.ts'

function field(bytes: Buffer | string): Buffer {
  const body = Buffer.from(bytes as string)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(body.length)
  return Buffer.concat([length, body])
}

const blobOf = (...fields: (Buffer | string)[]) => Buffer.concat(fields.map(field))
const lineOf = (type: string, ...fields: (Buffer | string)[]) => `${type} ${blobOf(type, ...fields).toString('base64')}`
const point = (bytes: number) => Buffer.concat([Buffer.from([4]), Buffer.alloc(bytes - 1, 9)])
const ED25519 = lineOf('ssh-ed25519', Buffer.alloc(32, 1))

t.test('keys as ssh-keygen makes them are read', async t => {
  const folder = t.testdir()
  const kinds = [
    ['ed25519'],
    ['ecdsa', '-b', '256'],
    ['ecdsa', '-b', '384'],
    ['ecdsa', '-b', '521'],
    ['rsa', '-b', '2048'],
  ]
  for (const [index, [type, ...bits]] of kinds.entries()) {
    const file = join(folder, `key${index}`)
    execFileSync('ssh-keygen', ['-q', '-N', '', '-C', 'alice laptop', '-f', file, '-t', type!, ...bits])
    const line = readFileSync(`${file}.pub`, 'utf8')
    const key = parsePublicKey(line)
    if (isRefusal(key)) throw new Error(key.message)
    t.match(key, { type: line.split(' ')[0], comment: 'alice laptop' })
    t.ok(holdsPublicKey([ED25519, line], key.blob))
  }
})

t.test('keys of FIDO authenticators are read', async t => {
  const ed25519 = lineOf('sk-ssh-ed25519@openssh.com', Buffer.alloc(32, 1), 'ssh:')
  const ecdsa = lineOf('sk-ecdsa-sha2-nistp256@openssh.com', 'nistp256', point(65), 'ssh:')
  for (const line of [ed25519, ecdsa]) t.notOk(isRefusal(parsePublicKey(line)))
})

t.test('what cannot be used is refused, with what is wrong', async t => {
  const rsa = (bits: number) =>
    lineOf('ssh-rsa', Buffer.from([1, 0, 1]), Buffer.concat([Buffer.from([0, 0x80]), Buffer.alloc(bits / 8 - 1, 1)]))
  const certificate = 'ssh-ed25519-cert-v01@openssh.com'
  const cases: [string, RegExp][] = [
    [rsa(1024), /2048 bits, this one has 1024/],
    [lineOf('ssh-dss', 'x'), /DSA/],
    [lineOf(certificate, 'x'), /certificate/],
    [`from="10.0.0.0/8" ${ED25519}`, /without options/],
    ['constructor AAAA', /not a type of key/],
    ['', /not a type of key/],
    ['-----BEGIN OPENSSH PRIVATE KEY-----', /private key/],
    ['ssh-ed25519', /does not match/],
    [ED25519.slice(0, -3), /damaged|does not match/],
    [ED25519.replace('ssh-ed25519', 'ssh-rsa'), /does not match/],
    [`ssh-ed25519 ${blobOf('ssh-ed25519', Buffer.alloc(31)).toString('base64')}`, /32 bytes/],
    [`ssh-ed25519 ${blobOf('ssh-ed25519', Buffer.alloc(32), 'more').toString('base64')}`, /number of fields/],
    [`ssh-ed25519 ${blobOf(certificate, Buffer.alloc(32)).toString('base64')}`, /does not match/],
    [lineOf('ecdsa-sha2-nistp256', 'nistp384', point(97)), /curve/],
    [lineOf('ecdsa-sha2-nistp256', 'nistp256', point(33)), /point/],
    [`${ED25519}\n${ED25519}`, /more than one line/],
    [`ssh-ed25519 ${'A'.repeat(9000)}`, /too long/],
  ]
  for (const [line, message] of cases)
    t.match(parsePublicKey(line), { refused: true, code: 'RESOURCE_INVALID', message }, line.slice(0, 60))
  t.notOk(isRefusal(parsePublicKey(rsa(2048))))
})

t.test('only the very same key is held, and a line that cannot be used holds nothing', async t => {
  const key = parsePublicKey(ED25519)
  if (isRefusal(key)) throw new Error(key.message)
  t.ok(holdsPublicKey([ED25519], key.blob))
  t.notOk(holdsPublicKey([], key.blob))
  t.notOk(holdsPublicKey([ED25519], Buffer.alloc(0)))
  t.notOk(holdsPublicKey(['', 'ssh-ed25519', 'garbage'], Buffer.alloc(0)))
  for (let at = 0; at < key.blob.length; at++) {
    const other = Buffer.from(key.blob)
    other[at]! ^= 1
    t.notOk(holdsPublicKey([ED25519], other))
  }
})

t.test('no line, however odd, breaks the reader', async t => {
  const blob = fc.uint8Array({ maxLength: 80 }).map(bytes => `ssh-ed25519 ${Buffer.from(bytes).toString('base64')}`)
  fc.assert(
    fc.property(fc.oneof(fc.string(), blob), line => {
      t.doesNotThrow(() => parsePublicKey(line))
    }),
  )
})
