/** The connector `ssh-authorized-keys` at a host with SFTP alone that says what is not so: nothing is taken for changed that reads otherwise. */

import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { MOST_FILE_BYTES } from '../../../src/protocols/ssh/rotation/keys-files.ts'
import { sshAuthorizedKeys } from '../../../src/protocols/ssh/rotation/ssh-authorized-keys.ts'
import { SFTP } from '../../../src/protocols/ssh/sftp-types.ts'
import { publicBlob } from '../../../src/shared/private-key/key-parts.ts'
import { Secret } from '../../../src/shared/secret.ts'
import { string, uint32, uint64 } from '../../../src/shared/ssh-encoding/wire.ts'
import { targetSchema } from '../../../src/targets/target.ts'
import type { CredentialMaterial } from '../../../src/vault/lease.ts'
import { directDialer } from '../../support/direct-dialer.ts'
import { attributes, type Lie, packet, REGULAR, startSftpHost, status } from '../../support/start-sftp-host.ts'

const PATH = '.ssh/authorized_keys'
const host = await startSftpHost(t)
const target = targetSchema.parse({
  ...{ name: 'files', protocol: 'ssh', host: host.host, port: host.port, hostKeys: host.hostKeys },
  accounts: [{ name: 'app' }],
})
const account = target.accounts[0]!

function newKey(): { line: string; material: CredentialMaterial } {
  const { privateKey: pair } = generateKeyPairSync('ed25519')
  const publicKey = publicBlob(pair)
  const privateKey = new Secret(pair.export({ format: 'der', type: 'pkcs8' }))
  return {
    line: `ssh-ed25519 ${publicKey.toString('base64')}`,
    material: { kind: 'private-key', privateKey, publicKey },
  }
}

const [old, next] = [newKey(), newKey()]
const BEFORE = `# ours\n${old.line}\n`
const AFTER = `# ours\n${next.line} app@files\n${old.line}\n`

async function change(lie: Lie, act: 'change' | 'finish' = 'change', signal = AbortSignal.timeout(60_000)) {
  host.files.clear()
  const before = act === 'change' ? BEFORE : AFTER
  host.files.set(PATH, { bytes: Buffer.from(before), mode: REGULAR | 0o640, uid: 1000 })
  host.lie = lie
  const asked = { target, account, dial: () => directDialer(target), as: undefined }
  const result = await sshAuthorizedKeys[act]!({ ...asked, current: old.material, candidate: next.material }, signal)
  const { bytes, mode } = host.files.get(PATH)!
  return { result, file: bytes.toString(), mode, left: [...host.files.keys()].filter(path => path !== PATH) }
}

t.test('an honest one: the key is added, and the old one taken out', async t => {
  t.same(await change(() => undefined), { result: { result: 'changed' }, file: AFTER, mode: REGULAR | 0o640, left: [] })
  t.match(await change(() => undefined, 'finish'), {
    result: { result: 'changed' },
    file: `# ours\n${next.line} app@files\n`,
  })
  host.inSinglePieces = true
  t.match(await change(() => undefined), { result: { result: 'changed' } }, 'each byte by itself')
  host.inSinglePieces = false
})

const isRename = (type: number, path: string) => type === SFTP.EXTENDED && path === 'posix-rename@openssh.com'
const endless = Buffer.alloc(32 * 1024, '#')
const link = { bytes: Buffer.alloc(0), mode: 0o120777, uid: 1000 }

/** What it says, and what is said of it. */
const LIES: Record<string, [lie: Lie, words: RegExp, result?: 'uncertain']> = {
  'a rename that was none': [
    ({ type, id, path }) => (isRename(type, path) ? status(id, 0) : undefined),
    /says that it was changed, and it reads otherwise/,
  ],
  'a rename that put something else there': [
    ({ type, id, path, host: { files } }) => {
      if (!isRename(type, path)) return undefined
      files.set(PATH, { bytes: Buffer.from('# nothing\n'), mode: REGULAR | 0o640, uid: 1000 })
      return status(id, 0)
    },
    /reads otherwise/,
    'uncertain',
  ],
  'the connection ends at the rename': [
    ({ type, path, channel }) => {
      if (!isRename(type, path)) return undefined
      channel.close()
      return 'nothing'
    },
    /SFTP server ended/,
    'uncertain',
  ],
  'a file without an end': [
    ({ type, id }) => (type === SFTP.READ ? packet(SFTP.DATA, id, string(endless)) : undefined),
    /more than \d+ bytes|changed meanwhile/,
  ],
  'a file that says to be small and has no end': [
    ({ type, id }) => (type === SFTP.READ ? packet(SFTP.DATA, id, string(endless.subarray(0, 9))) : undefined),
    /more than \d+ bytes|changed meanwhile/,
  ],
  'a size that is too large': [
    ({ type, id, host: { files } }) =>
      type === SFTP.LSTAT ? attributes(id, files.get(PATH)!, BigInt(MOST_FILE_BYTES + 1)) : undefined,
    /more than \d+ bytes/,
  ],
  'a size that no file has': [
    ({ type, id, host: { files } }) =>
      type === SFTP.LSTAT ? attributes(id, files.get(PATH)!, 2n ** 64n - 1n) : undefined,
    /more than \d+ bytes/,
  ],
  'a file that ends before its size': [
    ({ type, id, before }) =>
      type === SFTP.READ && before > 0
        ? status(id, 1)
        : type === SFTP.READ
          ? packet(SFTP.DATA, id, string('#'))
          : undefined,
    /changed meanwhile/,
  ],
  'more than was asked for': [
    ({ type, id }) => (type === SFTP.READ ? packet(SFTP.DATA, id, string(Buffer.alloc(100_000))) : undefined),
    /more than it was asked for/,
  ],
  'data of no bytes': [
    ({ type, id }) => (type === SFTP.READ ? packet(SFTP.DATA, id, string('')) : undefined),
    /answers with nothing/,
  ],
  'a link where a file was': [
    ({ type, id, path }) => (type === SFTP.FSTAT && path === PATH ? attributes(id, link) : undefined),
    /changed meanwhile/,
  ],
  'a link from the beginning': [
    ({ type, id, path }) => (type === SFTP.LSTAT && path === PATH ? attributes(id, link) : undefined),
    /is a link/,
  ],
  'a link that comes before the file is written': [
    ({ type, id, path, before }) =>
      type === SFTP.LSTAT && path === PATH && before > 1 ? attributes(id, link) : undefined,
    /changed meanwhile|is a link|cannot be kept/,
  ],
  'a folder': [
    ({ type, id, path, host: { files } }) =>
      type === SFTP.LSTAT && path === PATH ? attributes(id, { ...files.get(PATH)!, mode: 0o40755 }) : undefined,
    /is no file/,
  ],
  'an owner that nobody can be': [
    ({ type, id, path, host: { files } }) =>
      (type === SFTP.LSTAT || type === SFTP.FSTAT) && path === PATH
        ? attributes(id, { ...files.get(PATH)!, uid: 0 })
        : undefined,
    /owner, group or mode cannot be kept/,
  ],
  'a mode that it does not set': [
    ({ type, id }) => (type === SFTP.FSETSTAT ? status(id, 0) : undefined),
    /owner, group or mode cannot be kept/,
  ],
  'attributes without any': [
    ({ type, id }) => (type === SFTP.LSTAT ? packet(SFTP.ATTRS, id, uint32(0)) : undefined),
    /is no file/,
  ],
  'attributes that are cut': [
    ({ type, id }) => (type === SFTP.LSTAT ? packet(SFTP.ATTRS, id, uint32(1)) : undefined),
    /too short/,
  ],
  'a full disk': [
    ({ type, id }) => (type === SFTP.WRITE ? status(id, 4, 'No space left on device') : undefined),
    /No space left/,
  ],
  'a disk that is full when it is closed': [
    ({ type, id, path }) => (type === SFTP.CLOSE && path !== PATH ? status(id, 4, 'quota exceeded') : undefined),
    /quota exceeded/,
  ],
  'the answer to another question': [
    ({ type, id }) => (type === SFTP.LSTAT ? status(id + 1, 0) : undefined),
    /out of order/,
  ],
  'an answer of another kind': [
    ({ type, id }) => (type === SFTP.LSTAT ? packet(SFTP.HANDLE, id, string('x')) : undefined),
    /something else/,
  ],
  'a handle as long as a packet': [
    ({ type, id }) => (type === SFTP.OPEN ? packet(SFTP.HANDLE, id, string(Buffer.alloc(200_000))) : undefined),
    /something else/,
  ],
  'a length that there is not': [
    ({ type, channel }) => {
      if (type !== SFTP.LSTAT) return undefined
      channel.write(uint32(0xffffffff))
      return 'nothing'
    },
    /with too much/,
  ],
  'two answers': [
    ({ type, id, channel }) => {
      if (type !== SFTP.LSTAT) return undefined
      channel.write(Buffer.concat([status(id, 2), status(id + 1, 2)].map(string)))
      return 'nothing'
    },
    /what was not asked/,
  ],
  'words that steer a terminal, with a NUL': [
    ({ type, id }) =>
      type === SFTP.LSTAT ? status(id, 4, `\x1b]0;x\x07${'x'.repeat(5000)}\0 denied by nobody`) : undefined,
    /cannot be read/,
  ],
  'a read that is refused': [
    ({ type, id }) => (type === SFTP.READ ? status(id, 3, 'Permission denied') : undefined),
    /Permission denied/,
  ],
  'offsets that are none': [
    ({ type, id }) => (type === SFTP.LSTAT ? packet(SFTP.ATTRS, id, uint32(0x80000001), uint64(5n)) : undefined),
    /is no file/,
  ],
}

for (const act of ['change', 'finish'] as const) {
  t.test(`a lie does no harm to a ${act}`, async t => {
    for (const [name, [lie, words, result = 'not-changed']] of Object.entries(LIES)) {
      // Reading is the same for both.
      if (act === 'finish' && !/rename|link|written|disk|owner|mode/.test(name)) continue
      const seen = await change(lie, act)
      t.match(seen.result, { result, words }, name)
      const said = 'words' in seen.result ? seen.result.words : ''
      t.ok(said.length < 500 && !/\p{Cc}/u.test(said), 'in words that may be shown')
      if (result === 'uncertain') continue
      t.equal(seen.file, act === 'change' ? BEFORE : AFTER, `${name}: the file is as it was`)
      t.same(seen.left, [], 'and nothing lies beside it')
    }
  })
}

t.test('one that answers nothing is given up', async t => {
  for (const kind of [SFTP.LSTAT, SFTP.READ, SFTP.WRITE]) {
    const stop = new AbortController()
    const silent: Lie = ({ type }) => {
      if (type !== kind) return undefined
      stop.abort()
      return 'nothing'
    }
    t.match(await change(silent, 'change', stop.signal), { result: { result: 'not-changed', words: /given up/ } })
  }
})

t.test('one that cannot put a file in the place of another is not asked to', async t => {
  host.extensions = ['fsync@openssh.com', 'posix-rename@openssh.com\0']
  t.match(await change(() => undefined), { result: { result: 'not-changed', words: /posix-rename/ }, file: BEFORE })
})
