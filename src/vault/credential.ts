/** What a credential may be: checks the material when it comes in, and turns it to bytes and back for sealing. */

import { GatewayError } from '../shared/errors.ts'
import { publicBlob } from '../shared/private-key/key-parts.ts'
import { PrivateKeyError } from '../shared/private-key/private-key-error.ts'
import { readPrivateKey } from '../shared/private-key/read-private-key.ts'
import { erasableBytes, Secret } from '../shared/secret.ts'
import { decodeEarlierMaterial } from './earlier-material.ts'
import type { CredentialMaterial } from './lease.ts'

const MAX_PASSWORD_BYTES = 4096
const MAX_KEY_BYTES = 65_536

/**
 * What is sealed of material that comes in: a private key without its passphrase and in one form (PKCS #8, DER), whatever it came in, so
 * that no login has to derive keys. Throws `BAD_REQUEST` with what is wrong when it cannot be a credential: better now than at a login.
 */
export async function acceptMaterial(material: CredentialMaterial): Promise<CredentialMaterial> {
  if (material.kind === 'private-key') return acceptPrivateKey(material.privateKey, material.passphrase)
  checkPassword(material.password)
  return material
}

function checkPassword(password: Secret): void {
  const bytes = password.revealBytes()
  if (bytes.length === 0) throw refused('The password is empty.')
  if (bytes.length > MAX_PASSWORD_BYTES) throw refused(`The password is longer than ${MAX_PASSWORD_BYTES} bytes.`)
  if (bytes.includes(0)) throw refused('The password holds a NUL byte, which no login can carry.')
  if (bytes.includes(10) || bytes.includes(13)) throw refused('The password holds a line break.')
}

async function acceptPrivateKey(privateKey: Secret, passphrase: Secret | undefined): Promise<CredentialMaterial> {
  const bytes = privateKey.revealBytes()
  if (bytes.length > MAX_KEY_BYTES) throw refused(`The private key is longer than ${MAX_KEY_BYTES} bytes.`)
  try {
    const key = await readPrivateKey(bytes, passphrase?.revealBytes())
    const der = key.export({ type: 'pkcs8', format: 'der' })
    const accepted = new Secret(der)
    der.fill(0)
    return { kind: 'private-key', privateKey: accepted, publicKey: publicBlob(key) }
  } catch (error) {
    if (error instanceof PrivateKeyError) throw refused(error.message)
    throw error
  }
}

const PASSWORD = 1
const PRIVATE_KEY = 2

/**
 * The bytes that are sealed: one for the kind, then the password, or the public half (with its length in four bytes) and the private key.
 * The caller erases them.
 */
export function encodeMaterial(material: CredentialMaterial): Buffer {
  if (material.kind === 'password') return concatenate(Buffer.of(PASSWORD), material.password)
  const { publicKey, privateKey } = material
  if (publicKey === undefined) throw new Error('a private key is stored in one form, and this was not brought into it')
  const head = Buffer.alloc(5)
  head[0] = PRIVATE_KEY
  head.writeUInt32BE(publicKey.length, 1)
  return concatenate(Buffer.concat([head, publicKey]), privateKey)
}

function concatenate(head: Buffer, secret: Secret): Buffer {
  const bytes = erasableBytes(head.length + secret.byteLength)
  bytes.set(head)
  bytes.set(secret.revealBytes(), head.length)
  return bytes
}

/** The way back. Throws when the bytes are not of a form that this version knows. */
export function decodeMaterial(bytes: Buffer): CredentialMaterial {
  if (bytes[0] === PASSWORD) return { kind: 'password', password: new Secret(bytes.subarray(1)) }
  if (bytes[0] !== PRIVATE_KEY) return decodeEarlierMaterial(bytes)
  const end = 5 + bytes.readUInt32BE(1)
  const publicKey = Buffer.from(bytes.subarray(5, end))
  return { kind: 'private-key', publicKey, privateKey: new Secret(bytes.subarray(end)) }
}

function refused(message: string): GatewayError {
  return new GatewayError('BAD_REQUEST', message)
}
