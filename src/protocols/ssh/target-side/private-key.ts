/** The leased private key of an account, ready to sign a login. */

import { type PrivateKeyInput, sign } from 'node:crypto'
import { publicBlob } from '../../../shared/private-key/key-parts.ts'
import { readPrivateKey } from '../../../shared/private-key/read-private-key.ts'
import { Secret } from '../../../shared/secret.ts'
import { sshCurve } from '../../../shared/ssh-encoding/curves.ts'
import { mpint, WireReader } from '../../../shared/ssh-encoding/wire.ts'
import type { PrivateKeyMaterial } from '../../../vault/lease.ts'
import { signatureAlgorithms } from '../transport/algorithms.ts'

export interface SigningKey {
  /** What goes into the signature and into the request beside the key. */
  readonly algorithm: string
  /** The public half (RFC 4253 §6.6). */
  readonly blob: Buffer
  /** The signature's own bytes. Once: the key is erased then. Throws where the lease has erased it already. */
  sign(data: Buffer): Buffer
}

/** Throws PrivateKeyError for what is no key that can log in, or a wrong passphrase. */
export async function readSigningKey(material: PrivateKeyMaterial): Promise<SigningKey> {
  const { privateKey, publicKey } = material
  const { secret, blob } =
    publicKey === undefined ? await readEarlierForm(material) : { secret: privateKey, blob: publicKey }
  const type = new WireReader(blob).utf8()
  return {
    algorithm: signatureAlgorithms(type)[0]!,
    blob,
    sign(data) {
      try {
        // Given as bytes, so that OpenSSL's copy is erased with this call: a key object would keep it until it is collected.
        return signatureOf(type, data, { key: secret.revealBytes(), format: 'der', type: 'pkcs8' })
      } finally {
        secret.erase()
      }
    },
  }
}

/** A credential of an earlier version is the file as it came, with its passphrase: what is read of it is text for a while. */
async function readEarlierForm({ privateKey, passphrase }: PrivateKeyMaterial) {
  const key = await readPrivateKey(privateKey.revealBytes(), passphrase?.revealBytes())
  const der = key.export({ format: 'der', type: 'pkcs8' })
  const secret = new Secret(der)
  der.fill(0)
  return { secret, blob: publicBlob(key) }
}

function signatureOf(type: string, data: Buffer, key: PrivateKeyInput): Buffer {
  if (type === 'ssh-ed25519') return sign(null, data, key)
  if (type === 'ssh-rsa') return sign('sha512', data, key)
  // RFC 5656 §3.1.2: two mpints.
  const { hash, bytes } = sshCurve(type.slice('ecdsa-sha2-'.length))!
  const both = sign(hash, data, { ...key, dsaEncoding: 'ieee-p1363' })
  return Buffer.concat([mpint(both.subarray(0, bytes)), mpint(both.subarray(bytes))])
}
