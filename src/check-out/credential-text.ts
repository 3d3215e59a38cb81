/** A credential as its person gets it: the password as it is, a private key as a file that ssh takes. */

import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto'
import { Secret } from '../shared/secret.ts'
import { string, uint32 } from '../shared/ssh-encoding/wire.ts'
import type { CredentialMaterial } from '../vault/lease.ts'

/** Whoever gives the material erases it, and whoever gets the text erases that. A seed of one-time codes is not in it. */
export function credentialText(material: CredentialMaterial): Secret {
  if (material.kind === 'password') return new Secret(material.password.revealBytes())
  const { privateKey, publicKey } = material
  if (publicKey === undefined) return new Secret(privateKey.revealBytes())
  const key = createPrivateKey({ key: privateKey.revealBytes(), format: 'der', type: 'pkcs8' })
  if (key.asymmetricKeyType === 'ed25519') return new Secret(openSshFile(key, publicKey))
  return new Secret(Buffer.from(key.export({ format: 'pem', type: 'pkcs8' })))
}

/** The format of OpenSSH's PROTOCOL.key, without a passphrase: what older versions of it do not read as PKCS #8. */
function openSshFile(key: ReturnType<typeof createPrivateKey>, blob: Buffer): Buffer {
  const { d } = key.export({ format: 'jwk' })
  const { x } = createPublicKey(key).export({ format: 'jwk' })
  const [seed, point] = [Buffer.from(d!, 'base64url'), Buffer.from(x!, 'base64url')]
  const check = randomBytes(4)
  const inner = Buffer.concat([
    ...[check, check, string('ssh-ed25519'), string(point), string(Buffer.concat([seed, point])), string('')],
  ])
  const padding = Buffer.from(Array.from({ length: (8 - (inner.length % 8)) % 8 }, (_, index) => index + 1))
  const file = Buffer.concat([
    ...[Buffer.from('openssh-key-v1\0'), string('none'), string('none'), string(''), uint32(1), string(blob)],
    string(Buffer.concat([inner, padding])),
  ])
  const lines = file.toString('base64').replace(/(.{70})/g, '$1\n')
  for (const bytes of [seed, inner, file]) bytes.fill(0)
  return Buffer.from(`-----BEGIN OPENSSH PRIVATE KEY-----\n${lines}\n-----END OPENSSH PRIVATE KEY-----\n`)
}
