/** PuTTY's private keys, versions 2 and 3 of the file (appendix C of its manual). */

import { argon2, createDecipheriv, createHash, createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { string, WireError, WireReader } from '../ssh-encoding/wire.ts'
import { type KeyParts, keyOfParts } from './key-parts.ts'
import { refusedType } from './openssh.ts'
import { damaged, PrivateKeyError, wrongPassphrase } from './private-key-error.ts'

const FIRST_LINE = /^PuTTY-User-Key-File-(\d+): (\S+)$/
const CONVERT = 'convert it: puttygen FILE -O private-openssh -o NEW-FILE'
const MOST_MEMORY_KIB = 1024 * 1024
const MOST_PASSES = 1000
const derive = promisify(argon2)

interface File {
  readonly form: string
  readonly version: 2 | 3
  readonly type: string
  readonly headers: ReadonlyMap<string, string>
  readonly publicHalf: Buffer
  readonly privateHalf: Buffer
}

interface Keys {
  /** Undefined where the file is not encrypted. */
  readonly cipher?: { readonly key: Buffer; readonly iv: Buffer }
  readonly mac: Buffer
}

export function isPutty(text: string): boolean {
  return text.trimStart().startsWith('PuTTY-User-Key-File-')
}

export async function readPutty(text: string, passphrase: Buffer | undefined): Promise<KeyObject> {
  const file = parseFile(text)
  const encryption = file.headers.get('Encryption') ?? ''
  if (encryption !== 'none' && encryption !== 'aes256-cbc') {
    throw new PrivateKeyError(`The private key (${file.form}) is encrypted in a way that is not known here; ${CONVERT}`)
  }
  const encrypted = encryption !== 'none'
  if (encrypted && (passphrase === undefined || passphrase.length === 0)) throw wrongPassphrase(file.form, false)
  const keys = await (file.version === 2 ? keysOfVersion2 : keysOfVersion3)(file, encrypted ? passphrase : undefined)
  const plain = decrypt(file, keys)
  try {
    if (!macFits(file, encryption, plain, keys.mac)) {
      throw encrypted ? wrongPassphrase(file.form, true) : damaged(file.form)
    }
    return keyOfParts(readParts(file, plain), file.publicHalf, file.form)
  } catch (error) {
    throw error instanceof WireError ? damaged(file.form) : error
  } finally {
    plain.fill(0)
  }
}

function parseFile(text: string): File {
  const lines = text.trimStart().split(/\r\n|\n|\r/)
  const [, number, type] = FIRST_LINE.exec(lines[0]!.trim()) ?? []
  const form = number === undefined ? "PuTTY's form" : `PuTTY's form, version ${number}`
  if (type === undefined) throw damaged(form)
  if (number !== '2' && number !== '3') {
    throw new PrivateKeyError(`The private key (${form}) is of a version that is not read here; ${CONVERT}`)
  }
  const headers = new Map<string, string>()
  const halves: Record<string, Buffer> = {}
  for (let at = 1; at < lines.length; at++) {
    const colon = lines[at]!.indexOf(': ')
    if (colon < 0) continue
    const name = lines[at]!.slice(0, colon)
    const value = lines[at]!.slice(colon + 2)
    headers.set(name, value)
    if (name !== 'Public-Lines' && name !== 'Private-Lines') continue
    const count = /^\d{1,4}$/.test(value) ? Number(value) : lines.length
    if (at + count >= lines.length) throw damaged(form)
    halves[name] = Buffer.from(lines.slice(at + 1, at + 1 + count).join(''), 'base64')
    at += count
  }
  const { 'Public-Lines': publicHalf, 'Private-Lines': privateHalf } = halves
  if (publicHalf === undefined || privateHalf === undefined) throw damaged(form)
  return { form, version: number === '2' ? 2 : 3, type, headers, publicHalf, privateHalf }
}

async function keysOfVersion2(_file: File, passphrase: Buffer | undefined): Promise<Keys> {
  const sha1 = (...parts: (string | Buffer)[]) => {
    const hash = createHash('sha1')
    for (const part of parts) hash.update(part)
    return hash.digest()
  }
  const mac = sha1('putty-private-key-file-mac-key', passphrase ?? '')
  if (passphrase === undefined) return { mac }
  const halves = [0, 1].map(counter => sha1(Buffer.of(0, 0, 0, counter), passphrase))
  return { cipher: { key: Buffer.concat(halves).subarray(0, 32), iv: Buffer.alloc(16) }, mac }
}

async function keysOfVersion3({ form, headers }: File, passphrase: Buffer | undefined): Promise<Keys> {
  if (passphrase === undefined) return { mac: Buffer.alloc(0) }
  const [algorithm] = (['argon2id', 'argon2i', 'argon2d'] as const).filter(
    name => name === headers.get('Key-Derivation')?.toLowerCase(),
  )
  const number = (name: string) => (/^\d{1,9}$/.test(headers.get(name) ?? '') ? Number(headers.get(name)) : undefined)
  const [memory, passes, parallelism] = ['Argon2-Memory', 'Argon2-Passes', 'Argon2-Parallelism'].map(number)
  const nonce = Buffer.from(headers.get('Argon2-Salt') ?? '', 'hex')
  if (algorithm === undefined || memory === undefined || passes === undefined || parallelism === undefined) {
    throw damaged(form)
  }
  if (memory > MOST_MEMORY_KIB || passes > MOST_PASSES) {
    throw new PrivateKeyError(`The private key (${form}) asks for too much memory or time to be read; ${CONVERT}`)
  }
  const cost = { memory, passes, parallelism }
  const derived = await derive(algorithm, { message: passphrase, nonce, tagLength: 80, ...cost }).catch(() => {
    throw damaged(form)
  })
  return { cipher: { key: derived.subarray(0, 32), iv: derived.subarray(32, 48) }, mac: derived.subarray(48) }
}

function decrypt({ form, privateHalf }: File, { cipher }: Keys): Buffer {
  if (cipher === undefined) return privateHalf
  if (privateHalf.length === 0 || privateHalf.length % 16 !== 0) throw damaged(form)
  return createDecipheriv('aes-256-cbc', cipher.key, cipher.iv).setAutoPadding(false).update(privateHalf)
}

function macFits({ version, type, headers, publicHalf }: File, encryption: string, plain: Buffer, key: Buffer) {
  const signed = [type, encryption, headers.get('Comment') ?? '', publicHalf, plain].map(string)
  const mac = createHmac(version === 2 ? 'sha1' : 'sha256', key)
    .update(Buffer.concat(signed))
    .digest()
  const expected = Buffer.from(headers.get('Private-MAC') ?? '', 'hex')
  return expected.length === mac.length && timingSafeEqual(expected, mac)
}

/** The public half is a blob as everywhere in SSH, the private one holds what is missing. */
function readParts({ form, publicHalf, type }: File, plain: Buffer): KeyParts {
  const open = new WireReader(publicHalf)
  const secret = new WireReader(plain)
  if (open.utf8() !== type) throw damaged(form)
  switch (type) {
    case 'ssh-ed25519':
      return { type, seed: secret.string() }
    case 'ecdsa-sha2-nistp256':
    case 'ecdsa-sha2-nistp384':
    case 'ecdsa-sha2-nistp521':
      return { type: 'ecdsa', curve: open.utf8(), point: open.string(), scalar: secret.string() }
    case 'ssh-rsa': {
      const [e, n] = [open.string(), open.string()]
      const [d, p, q, inverse] = [secret.string(), secret.string(), secret.string(), secret.string()]
      return { type, n, e, d, p, q, inverse }
    }
    default:
      throw refusedType(type)
  }
}
