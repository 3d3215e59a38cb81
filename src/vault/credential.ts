/** What a credential may be: checks the material when it comes in, and turns it to bytes and back for sealing. */

import { GatewayError } from '../shared/errors.ts'
import { CODE_ALGORITHMS, type TotpSeed } from '../shared/one-time-code.ts'
import { publicBlob } from '../shared/private-key/key-parts.ts'
import { PrivateKeyError } from '../shared/private-key/private-key-error.ts'
import { readPrivateKey } from '../shared/private-key/read-private-key.ts'
import { erasableBytes, Secret } from '../shared/secret.ts'
import { decodeEarlierMaterial } from './earlier-material.ts'
import type { CredentialMaterial, PrivateKeyMaterial } from './lease.ts'
import { checkTotpSeed } from './totp-seed.ts'

const MAX_PASSWORD_BYTES = 4096
const MAX_KEY_BYTES = 65_536

/**
 * What is sealed of material that comes in: a private key without its passphrase and in one form (PKCS #8, DER), whatever it came in, so
 * that no login has to derive keys. Throws `BAD_REQUEST` with what is wrong when it cannot be a credential: better now than at a login.
 */
export async function acceptMaterial(material: CredentialMaterial): Promise<CredentialMaterial> {
  const { totp, login } = material
  if (totp !== undefined) checkTotpSeed(totp)
  const codes = { ...(totp === undefined ? {} : { totp }), ...(login === undefined ? {} : { login }) }
  if (material.kind === 'password') {
    checkPassword(material.password)
    return { kind: 'password', password: material.password, ...codes }
  }
  // What comes from the vault is in that form already.
  if (material.publicKey !== undefined) return { ...material, ...codes }
  return { ...(await acceptPrivateKey(material.privateKey, material.passphrase)), ...codes }
}

function checkPassword(password: Secret): void {
  const bytes = password.revealBytes()
  if (bytes.length === 0) throw refused('The password is empty.')
  if (bytes.length > MAX_PASSWORD_BYTES) throw refused(`The password is longer than ${MAX_PASSWORD_BYTES} bytes.`)
  if (bytes.includes(0)) throw refused('The password holds a NUL byte, which no login can carry.')
  if (bytes.includes(10) || bytes.includes(13)) throw refused('The password holds a line break.')
}

async function acceptPrivateKey(privateKey: Secret, passphrase: Secret | undefined): Promise<PrivateKeyMaterial> {
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
/** Before one of the two: the secret of its one-time codes. */
const WITH_TOTP = 3
/** Before all else: for which of an account's names it is. */
const WITH_LOGIN = 4

/**
 * The bytes that are sealed: one for the kind, then the password, or the public half (with its length in four bytes) and the private key.
 * Where there are one-time codes: first a byte that says so, the hash, the digits, the seconds in two bytes, and the secret with its length in one.
 * Where it is for one of two names at the target: first of all a byte that says so, and the name with its length in one.
 * The caller erases them.
 */
export function encodeMaterial(material: CredentialMaterial): Buffer {
  const { login, totp } = material
  const parts = [...(login === undefined ? [] : loginParts(login)), ...(totp === undefined ? [] : totpParts(totp))]
  if (material.kind === 'password') return concatenate([...parts, Buffer.of(PASSWORD), material.password.revealBytes()])
  const { publicKey, privateKey } = material
  if (publicKey === undefined) throw new Error('a private key is stored in one form, and this was not brought into it')
  const head = Buffer.alloc(5)
  head[0] = PRIVATE_KEY
  head.writeUInt32BE(publicKey.length, 1)
  return concatenate([...parts, head, publicKey, privateKey.revealBytes()])
}

/** An entry's schema has it at 255 bytes. */
function loginParts(login: string): Buffer[] {
  const bytes = Buffer.from(login)
  if (bytes.length > 255) throw new Error('a login of more than 255 bytes')
  return [Buffer.of(WITH_LOGIN, bytes.length), bytes]
}

function totpParts({ algorithm, digits, period, secret }: TotpSeed): Buffer[] {
  const head = Buffer.alloc(6)
  head.set([WITH_TOTP, CODE_ALGORITHMS.indexOf(algorithm), digits])
  head.writeUInt16BE(period, 3)
  head[5] = secret.byteLength
  return [head, secret.revealBytes()]
}

function concatenate(parts: readonly Buffer[]): Buffer {
  const bytes = erasableBytes(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** The way back. Throws when the bytes are not of a form that this version knows. */
export function decodeMaterial(bytes: Buffer): CredentialMaterial {
  switch (bytes[0]) {
    case PASSWORD:
      return { kind: 'password', password: new Secret(bytes.subarray(1)) }
    case PRIVATE_KEY: {
      const end = 5 + bytes.readUInt32BE(1)
      const publicKey = Buffer.from(bytes.subarray(5, end))
      return { kind: 'private-key', publicKey, privateKey: new Secret(bytes.subarray(end)) }
    }
    case WITH_TOTP: {
      const [algorithm, digits, period] = [CODE_ALGORITHMS[bytes[1]!]!, bytes[2]!, bytes.readUInt16BE(3)]
      const end = 6 + bytes[5]!
      const totp = { secret: new Secret(bytes.subarray(6, end)), algorithm, digits, period }
      return { ...decodeMaterial(bytes.subarray(end)), totp }
    }
    case WITH_LOGIN: {
      const end = 2 + bytes[1]!
      return { ...decodeMaterial(bytes.subarray(end)), login: bytes.toString('utf8', 2, end) }
    }
    default:
      return decodeEarlierMaterial(bytes)
  }
}

function refused(message: string): GatewayError {
  return new GatewayError('BAD_REQUEST', message)
}
