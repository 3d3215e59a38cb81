/**
 * A credential on its way from the gateway to a worker: sealed for a key that both ends make for this one time and forget, so that what
 * stays in the buffers between them opens nothing later.
 */

import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import { erasableBytes, Secret } from '../../shared/secret.ts'
import type { CredentialMaterial } from '../../vault/lease.ts'

export interface HandedCredential {
  /** The gateway's half of the exchange (X25519, SubjectPublicKeyInfo). */
  readonly publicKey: Buffer
  /** AES-256-GCM: ciphertext and tag. */
  readonly sealed: Buffer
  /**
   * What was sealed is masked by it: Node's decipher leaves a copy of what it opens in memory that it has given back, and nobody can
   * overwrite that.
   */
  readonly mask: Buffer
  /** Whether the target may ask for one-time codes. */
  readonly codes: boolean
}

/** Who is to have it. */
export interface CredentialReceiver {
  readonly publicKey: Buffer
  /** Once. The caller erases it. Throws for what was not sealed for this receiver. */
  open(handed: Pick<HandedCredential, 'publicKey' | 'sealed' | 'mask'>): CredentialMaterial
}

const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const PURPOSE = 'sallyport credential for a worker'

export function createReceiver(): CredentialReceiver {
  const { publicKey, privateKey } = generateKeyPairSync('x25519')
  const own = encoded(publicKey)
  return {
    publicKey: own,
    open({ publicKey: theirs, sealed, mask }) {
      const { key, nonce } = keyFor(privateKey, theirs, own, theirs)
      const end = sealed.length - TAG_BYTES
      const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }).setAuthTag(
        sealed.subarray(end),
      )
      key.fill(0)
      const bytes = decipher.update(sealed.subarray(0, end))
      try {
        decipher.final()
        return unpacked(masked(bytes, mask))
      } finally {
        bytes.fill(0)
      }
    },
  }
}

export function handOver(material: CredentialMaterial, receiver: Buffer): HandedCredential {
  const { publicKey, privateKey } = generateKeyPairSync('x25519')
  const own = encoded(publicKey)
  const { key, nonce } = keyFor(privateKey, receiver, receiver, own)
  const bytes = packed(withoutSeed(material))
  const mask = randomBytes(bytes.length)
  try {
    const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
    const sealed = Buffer.concat([cipher.update(masked(bytes, mask)), cipher.final(), cipher.getAuthTag()])
    return { publicKey: own, sealed, mask, codes: material.nextCode !== undefined }
  } finally {
    key.fill(0)
    bytes.fill(0)
  }
}

/** In place; done twice it is undone. */
function masked(bytes: Buffer, mask: Buffer): Buffer {
  for (let at = 0; at < bytes.length; at++) bytes[at]! ^= mask[at]!
  return bytes
}

function encoded(publicKey: KeyObject): Buffer {
  return publicKey.export({ type: 'spki', format: 'der' })
}

/** Both halves are part of it, so no exchange has the key of another. */
function keyFor(
  privateKey: KeyObject,
  theirs: Buffer,
  receiver: Buffer,
  sender: Buffer,
): { key: Buffer; nonce: Buffer } {
  const publicKey = createPublicKey({ key: theirs, type: 'spki', format: 'der' })
  const shared = diffieHellman({ privateKey, publicKey })
  const derived = Buffer.from(
    hkdfSync('sha256', shared, Buffer.concat([receiver, sender]), PURPOSE, KEY_BYTES + NONCE_BYTES),
  )
  shared.fill(0)
  return { key: derived.subarray(0, KEY_BYTES), nonce: derived.subarray(KEY_BYTES) }
}

/** Where the target asks for one-time codes, they are asked for one by one: their seed stays where the vault's key is. */
function withoutSeed({ totp: _, nextCode: __, ...material }: CredentialMaterial): CredentialMaterial {
  return material
}

/** Its facts as JSON, with a length before them, and then every secret with a length before it: no secret becomes text. */
function packed(material: CredentialMaterial): Buffer {
  const secrets: Buffer[] = []
  const facts = Buffer.from(
    JSON.stringify(material, function (this: Record<string, unknown>, name, value) {
      const original = this[name]
      if (original instanceof Secret) return { secret: secrets.push(original.revealBytes()) - 1 }
      return Buffer.isBuffer(original) ? { bytes: original.toString('base64') } : value
    }),
  )
  const parts = [facts, ...secrets]
  const bytes = erasableBytes(parts.reduce((sum, part) => sum + 4 + part.length, 0))
  let at = 0
  for (const part of parts) {
    at = bytes.writeUInt32BE(part.length, at)
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

function unpacked(bytes: Buffer): CredentialMaterial {
  const parts: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32BE(at)
    parts.push(bytes.subarray(at + 4, end))
    at = end
  }
  const [facts, ...secrets] = parts
  return JSON.parse(facts!.toString('utf8'), (_, value) => {
    if (typeof value?.secret === 'number') return new Secret(secrets[value.secret]!)
    return typeof value?.bytes === 'string' ? Buffer.from(value.bytes, 'base64') : value
  })
}
