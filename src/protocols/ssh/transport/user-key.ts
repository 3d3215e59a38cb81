/** Public keys of users: reading a blob, and verifying a signature by it (RFC 4253 §6.6, RFC 8332, OpenSSH's PROTOCOL.u2f). */

import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'
import { isPointOf, type SshCurve, sshCurve } from '../../../shared/ssh-encoding/curves.ts'
import { bitLength, SMALLEST_RSA_BITS } from '../../../shared/ssh-encoding/public-key.ts'
import { fixedWidth, WireError, WireReader, withoutLeadingZeros } from '../../../shared/ssh-encoding/wire.ts'
import { signatureAlgorithms } from './algorithms.ts'

/** FIDO: the authenticator must say that someone touched it. */
const USER_PRESENT = 1
const LARGEST_RSA_BYTES = 2048

interface UserKey {
  readonly type: string
  readonly key: KeyObject
  readonly curve?: SshCurve
  /** FIDO keys: what the key was made for, usually `ssh:`. */
  readonly application?: Buffer
}

/**
 * Whether `signature` (string algorithm, string bytes, and for FIDO keys flags and counter) is one of `data` by the key of
 * `blob`, made with `algorithm`. False for anything malformed, for SHA-1, and for keys the gateway does not take (certificates,
 * DSA, RSA under 2048 bits).
 */
export function verifyUserSignature(blob: Buffer, algorithm: string, signature: Buffer, data: Buffer): boolean {
  try {
    const userKey = parseUserKey(blob)
    if (!signatureAlgorithms(userKey.type).includes(algorithm)) return false
    const reader = new WireReader(signature)
    if (reader.string().toString('latin1') !== algorithm) return false
    const bytes = reader.string()
    if (userKey.application !== undefined) return verifyFido(userKey, userKey.application, bytes, reader, data)
    return reader.atEnd && verifyPlain(userKey, algorithm, bytes, data)
  } catch {
    return false
  }
}

function parseUserKey(blob: Buffer): UserKey {
  const reader = new WireReader(blob)
  const type = reader.string().toString('latin1')
  const key = readKey(type, reader)
  if (!reader.atEnd) throw new WireError('bytes after the key')
  return key
}

function readKey(type: string, reader: WireReader): UserKey {
  switch (type) {
    case 'ssh-ed25519':
      return { type, key: ed25519(reader.string()) }
    case 'sk-ssh-ed25519@openssh.com':
      return { type, key: ed25519(reader.string()), application: reader.string() }
    case 'ecdsa-sha2-nistp256':
    case 'ecdsa-sha2-nistp384':
    case 'ecdsa-sha2-nistp521':
      return { type, ...ecdsa(type.slice('ecdsa-sha2-'.length), reader) }
    case 'sk-ecdsa-sha2-nistp256@openssh.com':
      return { type, ...ecdsa('nistp256', reader), application: reader.string() }
    case 'ssh-rsa': {
      const e = reader.string()
      const n = reader.string()
      return { type, key: rsa(e, n) }
    }
    default:
      throw new WireError('a key type that is not taken')
  }
}

function ed25519(x: Buffer): KeyObject {
  if (x.length !== 32) throw new WireError('an Ed25519 key has 32 bytes')
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: x.toString('base64url') }, format: 'jwk' })
}

function ecdsa(name: string, reader: WireReader): { key: KeyObject; curve: SshCurve } {
  const curve = sshCurve(name)
  const named = reader.string().toString('latin1')
  const point = reader.string()
  if (curve === undefined || named !== name || !isPointOf(curve, point)) throw new WireError('not a point of the curve')
  const x = point.subarray(1, 1 + curve.bytes).toString('base64url')
  const y = point.subarray(1 + curve.bytes).toString('base64url')
  return { key: createPublicKey({ key: { kty: 'EC', crv: curve.jwk, x, y }, format: 'jwk' }), curve }
}

function rsa(e: Buffer, n: Buffer): KeyObject {
  const modulus = withoutLeadingZeros(n)
  if (bitLength(modulus) < SMALLEST_RSA_BITS || modulus.length > LARGEST_RSA_BYTES)
    throw new WireError('an RSA key of a size not taken')
  return createPublicKey({
    key: { kty: 'RSA', e: withoutLeadingZeros(e).toString('base64url'), n: modulus.toString('base64url') },
    format: 'jwk',
  })
}

function verifyPlain(userKey: UserKey, algorithm: string, signature: Buffer, data: Buffer): boolean {
  if (userKey.curve !== undefined) return verifyEcdsa(userKey.curve, userKey.key, signature, data)
  if (userKey.type === 'ssh-ed25519') return verify(null, data, userKey.key, signature)
  return verify(algorithm === 'rsa-sha2-512' ? 'sha512' : 'sha256', data, userKey.key, signature)
}

function verifyFido(
  userKey: UserKey,
  application: Buffer,
  signature: Buffer,
  reader: WireReader,
  data: Buffer,
): boolean {
  const flags = reader.byte()
  const counter = reader.uint32()
  if (!reader.atEnd || (flags & USER_PRESENT) === 0) return false
  const state = Buffer.alloc(5)
  state[0] = flags
  state.writeUInt32BE(counter, 1)
  const signed = Buffer.concat([sha256(application), state, sha256(data)])
  if (userKey.curve !== undefined) return verifyEcdsa(userKey.curve, userKey.key, signature, signed)
  return verify(null, signed, userKey.key, signature)
}

/** An ECDSA signature in SSH is two mpints. */
function verifyEcdsa(curve: SshCurve, key: KeyObject, signature: Buffer, data: Buffer): boolean {
  const reader = new WireReader(signature)
  const r = fixedWidth(reader.string(), curve.bytes)
  const s = fixedWidth(reader.string(), curve.bytes)
  if (!reader.atEnd) return false
  return verify(curve.hash, data, { key, dsaEncoding: 'ieee-p1363' }, Buffer.concat([r, s]))
}

function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest()
}
