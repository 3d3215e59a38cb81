/** The leased private key of an account, in any of the usual forms, ready to sign a login. */

import { type KeyObject, sign } from 'node:crypto'
import { curveOf, publicBlob } from '../../shared/private-key/key-parts.ts'
import { readPrivateKey } from '../../shared/private-key/read-private-key.ts'
import { string, WireReader } from '../../shared/ssh-wire.ts'
import type { CredentialMaterial } from '../../vault/lease.ts'
import { signatureAlgorithms } from './algorithms.ts'

export interface SigningKey {
  /** What goes into the signature and into the request beside the key. */
  readonly algorithm: string
  /** The public half (RFC 4253 §6.6). */
  readonly blob: Buffer
  /** The signature's own bytes. */
  sign(data: Buffer): Buffer
}

/** Throws PrivateKeyError for what is no key that can log in, or a wrong passphrase. */
export async function readSigningKey(material: CredentialMaterial & { kind: 'private-key' }): Promise<SigningKey> {
  const key = await readPrivateKey(material.privateKey.revealBytes(), material.passphrase?.revealBytes())
  const blob = publicBlob(key)
  const [algorithm] = signatureAlgorithms(new WireReader(blob).utf8()) as [string]
  return { algorithm, blob, sign: data => signatureOf(key, data) }
}

function signatureOf(key: KeyObject, data: Buffer): Buffer {
  if (key.asymmetricKeyType === 'ed25519') return sign(null, data, key)
  if (key.asymmetricKeyType === 'rsa') return sign('sha512', data, key)
  // RFC 5656 §3.1.2: two mpints.
  const { hash, bytes } = curveOf(key)
  const both = sign(hash, data, { key, dsaEncoding: 'ieee-p1363' })
  return Buffer.concat([mpint(both.subarray(0, bytes)), mpint(both.subarray(bytes))])
}

function mpint(number: Buffer): Buffer {
  const first = number.findIndex(byte => byte !== 0)
  const digits = number.subarray(first < 0 ? number.length : first)
  return string(digits[0]! >= 0x80 ? Buffer.concat([Buffer.of(0), digits]) : digits)
}
