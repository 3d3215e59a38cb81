/** OpenSSH's own form of a private key (its PROTOCOL.key), with every cipher that it has. */

import { createDecipheriv, type KeyObject } from 'node:crypto'
import { WireError, WireReader } from '../ssh-encoding/wire.ts'
import { deriveByBcrypt } from './bcrypt.ts'
import { type KeyParts, keyOfParts } from './key-parts.ts'
import { damaged, PrivateKeyError, wrongPassphrase } from './private-key-error.ts'

const FORM = "OpenSSH's form"
const MAGIC = Buffer.from('openssh-key-v1\0', 'latin1')
/** `ssh-keygen -a`: each round takes about 20 ms, and the default is 24. */
const MOST_ROUNDS = 2000

interface Cipher {
  readonly node: string
  readonly keyBytes: number
  readonly ivBytes: number
  readonly block: number
  /** Behind the encrypted part. */
  readonly tagBytes: number
}

const cipher = (node: string, keyBytes: number, ivBytes: number, block: number, tagBytes = 0): Cipher => ({
  ...{ node, keyBytes, ivBytes, block, tagBytes },
})
const CIPHERS: Record<string, Cipher> = {
  none: cipher('', 0, 0, 8),
  '3des-cbc': cipher('des-ede3-cbc', 24, 8, 8),
  'aes128-cbc': cipher('aes-128-cbc', 16, 16, 16),
  'aes192-cbc': cipher('aes-192-cbc', 24, 16, 16),
  'aes256-cbc': cipher('aes-256-cbc', 32, 16, 16),
  'rijndael-cbc@lysator.liu.se': cipher('aes-256-cbc', 32, 16, 16),
  'aes128-ctr': cipher('aes-128-ctr', 16, 16, 16),
  'aes192-ctr': cipher('aes-192-ctr', 24, 16, 16),
  'aes256-ctr': cipher('aes-256-ctr', 32, 16, 16),
  'aes128-gcm@openssh.com': cipher('aes-128-gcm', 16, 12, 16, 16),
  'aes256-gcm@openssh.com': cipher('aes-256-gcm', 32, 12, 16, 16),
  // Two keys of 32 bytes, of which the first encrypts; the nonce is zero and the first block makes the tag's key.
  'chacha20-poly1305@openssh.com': cipher('chacha20', 64, 0, 8, 16),
}

export function readOpenSsh(bytes: Buffer, passphrase: Buffer | undefined): Promise<KeyObject> {
  return read(bytes, passphrase).catch(error => {
    throw error instanceof WireError ? damaged(FORM) : error
  })
}

async function read(bytes: Buffer, passphrase: Buffer | undefined): Promise<KeyObject> {
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw damaged(FORM)
  const reader = new WireReader(bytes, MAGIC.length)
  const cipherName = reader.utf8()
  const derivation = reader.utf8()
  const options = reader.string()
  if (reader.uint32() !== 1) throw new PrivateKeyError(`The file (${FORM}) holds several private keys; store one.`)
  const blob = reader.string()
  const encrypted = reader.string()
  const known = CIPHERS[cipherName]
  if (known === undefined) throw unknown('cipher', cipherName)
  const plain = await decrypt(known, derivation, options, encrypted, reader.rest(), passphrase)
  try {
    return readDecrypted(plain, blob, cipherName !== 'none', passphrase !== undefined)
  } finally {
    if (plain !== encrypted) plain.fill(0)
  }
}

async function decrypt(
  { node, keyBytes, ivBytes, block, tagBytes }: Cipher,
  derivation: string,
  options: Buffer,
  encrypted: Buffer,
  tag: Buffer,
  passphrase: Buffer | undefined,
): Promise<Buffer> {
  if (encrypted.length === 0 || encrypted.length % block !== 0 || tag.length < tagBytes) throw damaged(FORM)
  if (node === '') return encrypted
  if (derivation !== 'bcrypt') throw unknown('key derivation', derivation)
  if (passphrase === undefined || passphrase.length === 0) throw wrongPassphrase(FORM, false)
  const reader = new WireReader(options)
  const salt = reader.string()
  const rounds = reader.uint32()
  if (rounds < 1 || rounds > MOST_ROUNDS) {
    throw new PrivateKeyError(
      `The private key (${FORM}) asks for ${rounds} rounds of key derivation, more than ${MOST_ROUNDS}; change it with: ssh-keygen -p -a 24 -f FILE`,
    )
  }
  const derived = await deriveByBcrypt(passphrase, salt, rounds, keyBytes + ivBytes)
  try {
    return run(node, derived, keyBytes, encrypted, tag.subarray(0, tagBytes))
  } catch {
    // Only the authenticated ciphers notice it here.
    throw wrongPassphrase(FORM, true)
  } finally {
    derived.fill(0)
  }
}

function run(node: string, derived: Buffer, keyBytes: number, encrypted: Buffer, tag: Buffer): Buffer {
  const iv = derived.subarray(keyBytes)
  if (node === 'chacha20') {
    // The tag is not looked at: the check numbers and the two halves of the key tell what is wrong.
    const blockOne = Buffer.from([1, ...Buffer.alloc(15)])
    return createDecipheriv(node, derived.subarray(0, 32), blockOne).update(encrypted)
  }
  if (node.endsWith('-gcm')) {
    const decipher = createDecipheriv(node as 'aes-256-gcm', derived.subarray(0, keyBytes), iv, { authTagLength: 16 })
    return Buffer.concat([decipher.setAuthTag(tag).update(encrypted), decipher.final()])
  }
  return createDecipheriv(node, derived.subarray(0, keyBytes), iv).setAutoPadding(false).update(encrypted)
}

function readDecrypted(plain: Buffer, blob: Buffer, encrypted: boolean, hasPassphrase: boolean): KeyObject {
  const reader = new WireReader(plain)
  const [check, again] = [reader.uint32(), reader.uint32()]
  if (check !== again) throw encrypted ? wrongPassphrase(FORM, hasPassphrase) : damaged(FORM)
  const key = keyOfParts(readParts(reader, new WireReader(blob).utf8()), blob, FORM)
  // The comment, and the padding: 1, 2, 3, …
  reader.string()
  if (reader.rest().some((byte, i) => byte !== i + 1)) throw damaged(FORM)
  return key
}

function readParts(reader: WireReader, publicType: string): KeyParts {
  const type = reader.utf8()
  if (type !== publicType) throw damaged(FORM)
  switch (type) {
    case 'ssh-ed25519': {
      const publicHalf = reader.string()
      const both = reader.string()
      if (both.length !== 64 || !both.subarray(32).equals(publicHalf)) throw damaged(FORM)
      return { type, seed: both.subarray(0, 32) }
    }
    case 'ecdsa-sha2-nistp256':
    case 'ecdsa-sha2-nistp384':
    case 'ecdsa-sha2-nistp521': {
      const curve = reader.utf8()
      if (!type.endsWith(curve)) throw damaged(FORM)
      return { type: 'ecdsa', curve, point: reader.string(), scalar: reader.string() }
    }
    case 'ssh-rsa': {
      const [n, e, d, inverse, p, q] = Array.from({ length: 6 }, () => reader.string()) as Buffer[]
      return { type, n: n!, e: e!, d: d!, inverse: inverse!, p: p!, q: q! }
    }
    default:
      throw refusedType(type)
  }
}

/** A key whose type OpenSSH knows and that the gateway cannot log in with. */
export function refusedType(type: string): PrivateKeyError {
  if (type === 'ssh-dss') {
    return new PrivateKeyError('A DSA key is not used any more; make an Ed25519 key: ssh-keygen -t ed25519')
  }
  if (type.startsWith('sk-')) {
    return new PrivateKeyError(
      'This is the handle of a FIDO key: its private half never leaves the authenticator. Make an Ed25519 key: ssh-keygen -t ed25519',
    )
  }
  return new PrivateKeyError('A key of this type is not taken; make an Ed25519 key: ssh-keygen -t ed25519')
}

function unknown(what: string, name: string): PrivateKeyError {
  const shown = /^[\w@.-]{1,64}$/.test(name) ? ` ${name}` : ''
  return new PrivateKeyError(
    `The private key (${FORM}) is encrypted with a ${what}${shown} that is not known here; change it with: ssh-keygen -p -Z aes256-ctr -f FILE`,
  )
}
