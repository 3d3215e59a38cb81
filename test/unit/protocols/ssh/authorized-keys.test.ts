import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { holdsKey, withKey, withoutKey } from '../../../../src/protocols/ssh/rotation/authorized-keys.ts'
import { publicBlob } from '../../../../src/shared/private-key/key-parts.ts'

const keys = Array.from({ length: 4 }, () => publicBlob(generateKeyPairSync('ed25519').privateKey))
const [old, candidate, ...strangers] = keys as [Buffer, Buffer, Buffer, Buffer]
const text = (blob: Buffer) => `ssh-ed25519 ${blob.toString('base64')}`
const file = (...lines: string[]) => Buffer.from(lines.join(''), 'latin1')
const comment = 'root@web-01'

t.test('the new key gets the options of the old one, and stands before it', async t => {
  for (const options of [
    'no-pty',
    'from="10.0.0.0/8,*.example.org",command="echo \\"a b\\" # ssh-ed25519 AAAA"',
    'environment="A=cert-authority"',
  ]) {
    const line = `${options} ${text(old)} ours\n`
    const changed = withKey(file('# one\n', line), { blob: candidate, comment, like: old })
    t.equal(changed.toString('latin1'), `# one\n${options} ${text(candidate)} ${comment}\n${line}`)
    t.equal(withoutKey(changed, old).toString('latin1'), `# one\n${options} ${text(candidate)} ${comment}\n`)
  }
})

t.test('where the old key is not known, a line that was written for the account gives the options', async t => {
  const line = `from="10.0.0.0/8" ${text(old)} ${comment}\n`
  const changed = withKey(file('# one\n', line), { blob: candidate, comment, like: undefined })
  t.equal(changed.toString('latin1'), `# one\nfrom="10.0.0.0/8" ${text(candidate)} ${comment}\n${line}`)
  const authority = `cert-authority ${text(old)} ${comment}\n`
  const behind = withKey(file(authority), { blob: candidate, comment, like: undefined })
  t.equal(behind.toString('latin1'), `${authority}${text(candidate)} ${comment}\n`)
})

t.test('without an old key it stands at the end, behind a line that may not be ended', async t => {
  for (const [before, after] of [
    ['', `${text(candidate)} ${comment}\n`],
    ['# one', `# one\n${text(candidate)} ${comment}\n`],
    ['# one\r\n# two', `# one\r\n# two\r\n${text(candidate)} ${comment}\r\n`],
  ] as const)
    t.equal(withKey(file(before), { blob: candidate, comment, like: undefined }).toString('latin1'), after)
})

t.test('a key that is there is not added again; in a comment, or as an authority, it is not there', async t => {
  const there = file(`  ${text(candidate)}\n`)
  t.equal(withKey(there, { blob: candidate, comment, like: old }), there)
  t.notOk(holdsKey(file(`#${text(candidate)}\n`), candidate))
  for (const options of ['cert-authority', 'no-pty,CERT-AUTHORITY,principals="a,b"']) {
    const authority = file(`${options} ${text(candidate)}\n`)
    t.notOk(holdsKey(authority, candidate))
    t.same(withoutKey(authority, candidate), authority)
  }
  t.notOk(holdsKey(file(`ssh-rsa ${candidate.toString('base64')}\n`), candidate), 'of another type than it says')
})

const line = fc.oneof(
  fc.constantFrom(
    '',
    '#',
    '# a comment',
    '\t',
    'command="un closed',
    'ssh-ed25519',
    'ssh-ed25519 AAAA',
    '\xff\x00\xe9',
  ),
  fc.constantFrom(...strangers.map(text), `cert-authority ${text(old)}`, `# ${text(old)}`),
  fc.string().map(random => random.replace(/[\r\n]/g, ' ')),
)
const lines = fc.array(fc.tuple(line, fc.constantFrom('\n', '\r\n')).map(([content, end]) => content + end))
const options = fc.constantFrom('', 'no-pty ', 'from="a b",command="x \\" y" ', 'cert="x" ')
const ours = (blob: Buffer) =>
  fc
    .tuple(options, fc.constantFrom('', ' a comment', '\t', ' \xe9'))
    .map(([before, behind]) => `${before}${text(blob)}${behind}`)

t.test('whatever else is in the file stays as it is, byte for byte, and in its order', async t => {
  fc.assert(
    fc.property(lines, lines, ours(old), fc.constantFrom('\n', '\r\n', ''), (before, behind, key, end) => {
      const last = end === '' ? [] : behind
      const whole = file(...before, key, end, ...last)
      if (!holdsKey(whole, old)) throw new Error('the old key is not found')
      const added = withKey(whole, { blob: candidate, comment, like: old })
      const at = file(...before).length
      const more = added.length - whole.length
      // One whole line is put in, and nothing else.
      if (!Buffer.concat([added.subarray(0, at), added.subarray(at + more)]).equals(whole)) return false
      if (!holdsKey(added, candidate) || !holdsKey(added, old)) return false
      const removed = withoutKey(added, old)
      return removed.equals(Buffer.concat([file(...before), added.subarray(at, at + more), file(...last)]))
    }),
  )
  t.pass()
})
