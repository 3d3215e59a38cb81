/** Makes Node's key object of the numbers that OpenSSH's and PuTTY's files hold, by way of DER (X.690). */

import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { SSH_CURVES, type SshCurve, sshCurve } from '../ssh-encoding/curves.ts'
import { fixedWidth, mpint, string } from '../ssh-encoding/wire.ts'
import { damaged, PrivateKeyError } from './private-key-error.ts'

export type KeyParts =
  | { readonly type: 'ssh-ed25519'; readonly seed: Buffer }
  | { readonly type: 'ecdsa'; readonly curve: string; readonly scalar: Buffer; readonly point: Buffer }
  /** Numbers as SSH writes them (mpint, RFC 4251 §5). */
  | {
      readonly type: 'ssh-rsa'
      readonly n: Buffer
      readonly e: Buffer
      readonly d: Buffer
      readonly p: Buffer
      readonly q: Buffer
      readonly inverse: Buffer
    }

/** Throws PrivateKeyError when the parts do not make a key, or not the one of `blob` (RFC 4253 §6.6), its public half. */
export function keyOfParts(parts: KeyParts, blob: Buffer, form: string): KeyObject {
  let key: KeyObject
  try {
    key = build(parts)
  } catch {
    throw damaged(form)
  }
  if (!publicBlob(key).equals(blob) || !signsForItself(key)) throw damaged(form)
  return key
}

function build(parts: KeyParts): KeyObject {
  switch (parts.type) {
    case 'ssh-ed25519': {
      // RFC 8410 §7: version 0, the algorithm's identifier, and the seed as an octet string in an octet string.
      const algorithm = der(SEQUENCE, der(OBJECT_IDENTIFIER, Buffer.from('2b6570', 'hex')))
      return fromDer('pkcs8', der(SEQUENCE, integer(0n), algorithm, der(OCTET_STRING, der(OCTET_STRING, parts.seed))))
    }
    case 'ecdsa': {
      const curve = sshCurve(parts.curve)!
      const scalar = fixedWidth(parts.scalar, curve.bytes)
      const point = der(BIT_STRING, Buffer.of(0), parts.point)
      return fromDer(
        'sec1',
        der(SEQUENCE, integer(1n), der(OCTET_STRING, scalar), der(TAGGED_0, curve.oid), der(TAGGED_1, point)),
      )
    }
    case 'ssh-rsa': {
      const [n, e, d, p, q, inverse] = [parts.n, parts.e, parts.d, parts.p, parts.q, parts.inverse].map(numberOf)
      const numbers = [0n, n!, e!, d!, p!, q!, d! % (p! - 1n), d! % (q! - 1n), inverse!]
      return fromDer('pkcs1', der(SEQUENCE, ...numbers.map(integer)))
    }
  }
}

/** The public half of a key that can log in to an SSH host (RFC 4253 §6.6). Throws PrivateKeyError for another kind of key. */
export function publicBlob(key: KeyObject): Buffer {
  const open = createPublicKey(key)
  const spki = () => open.export({ format: 'der', type: 'spki' })
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return Buffer.concat([string('ssh-ed25519'), string(spki().subarray(-32))])
    case 'ec': {
      const { ssh, bytes } = curveOf(key)
      const point = spki().subarray(-(1 + 2 * bytes))
      return Buffer.concat([string(`ecdsa-sha2-${ssh}`), string(ssh), string(point)])
    }
    case 'rsa': {
      const { n, e } = open.export({ format: 'jwk' })
      return Buffer.concat([string('ssh-rsa'), numberField(e!), numberField(n!)])
    }
    default:
      throw new PrivateKeyError(
        `A key of the type ${key.asymmetricKeyType} cannot log in to an SSH host; make an Ed25519 key: ssh-keygen -t ed25519`,
      )
  }
}

/** Throws PrivateKeyError for a curve that SSH does not have. */
export function curveOf(key: KeyObject): SshCurve {
  const name = key.asymmetricKeyDetails?.namedCurve
  const curve = SSH_CURVES.find(curve => curve.node === name)
  if (curve !== undefined) return curve
  throw new PrivateKeyError(
    `A key on the curve ${name ?? 'of its own parameters'} cannot log in to an SSH host, which knows NIST P-256, P-384 and P-521; make an Ed25519 key: ssh-keygen -t ed25519`,
  )
}

/** Whether the private half belongs to the public one. */
export function signsForItself(key: KeyObject): boolean {
  const probe = Buffer.from('does the private half belong to the public one?')
  const hash = key.asymmetricKeyType === 'ed25519' ? null : 'sha256'
  try {
    return verify(hash, probe, createPublicKey(key), sign(hash, probe, key))
  } catch {
    return false
  }
}

function fromDer(type: 'pkcs1' | 'pkcs8' | 'sec1', bytes: Buffer): KeyObject {
  try {
    return createPrivateKey({ key: bytes, format: 'der', type })
  } finally {
    bytes.fill(0)
  }
}

const INTEGER = 0x02
const BIT_STRING = 0x03
const OCTET_STRING = 0x04
const OBJECT_IDENTIFIER = 0x06
const SEQUENCE = 0x30
const TAGGED_0 = 0xa0
const TAGGED_1 = 0xa1

function der(tag: number, ...content: Buffer[]): Buffer {
  const bytes = Buffer.concat(content)
  const length: number[] = []
  if (bytes.length < 0x80) length.push(bytes.length)
  else {
    for (let rest = bytes.length; rest > 0; rest >>= 8) length.unshift(rest & 0xff)
    length.unshift(0x80 | length.length)
  }
  return Buffer.concat([Buffer.from([tag, ...length]), bytes])
}

function integer(value: bigint): Buffer {
  const hex = value.toString(16)
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  return der(INTEGER, bytes[0]! >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes)
}

function numberOf(digits: Buffer): bigint {
  return digits.length === 0 ? 0n : BigInt(`0x${digits.toString('hex')}`)
}

function numberField(base64url: string): Buffer {
  return mpint(Buffer.from(base64url, 'base64url'))
}
