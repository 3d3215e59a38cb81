/**
 * Envelope encryption: each value under a data key of its own, which the key encryption key wraps. Both layers are AES-256-GCM
 * with random 96-bit nonces (NIST SP 800-38D §8.2.2) and bind the purpose of the value, so that none can stand in for another.
 *
 * Text form: `v1.<key id>.<nonce | wrapped data key | tag>.<nonce | ciphertext | tag>`, the last two in base64url.
 */

import { type CipherKey, createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { GatewayError } from '../shared/errors.ts'
import { KEY_BYTES, type KeyEncryptionKey } from './key-encryption-key.ts'

const CIPHER = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16
const TEXT_FORM = /^v1\.([0-9a-f]{16})\.([A-Za-z0-9_-]{80})\.([A-Za-z0-9_-]{38,})$/

/** Seals `bytes` for one purpose, for example `credential root@web-01 v3`: only the same purpose opens it. */
export function sealEnvelope(key: KeyEncryptionKey, purpose: string, bytes: Uint8Array): string {
  const dataKey = randomBytes(KEY_BYTES)
  try {
    const wrapped = encrypt(key.keyObject, binding('key', key.id, purpose), dataKey)
    const sealed = encrypt(dataKey, binding('data', key.id, purpose), bytes)
    return `v1.${key.id}.${wrapped.toString('base64url')}.${sealed.toString('base64url')}`
  } finally {
    dataKey.fill(0)
  }
}

/**
 * Opens what `sealEnvelope` sealed for this purpose. Throws `VAULT_KEY_MISMATCH` when it was sealed with another key, and
 * `VAULT_DAMAGED` when it was changed, cut, moved from another place, or is no envelope at all.
 */
export function openEnvelope(key: KeyEncryptionKey, purpose: string, text: string): Buffer {
  const [, keyId, wrapped, sealed] = TEXT_FORM.exec(text) ?? []
  if (keyId === undefined) throw damaged(purpose)
  if (keyId !== key.id) {
    throw new GatewayError(
      'VAULT_KEY_MISMATCH',
      `The vault key has the id ${key.id}, but the value "${purpose}" was sealed with the key ${keyId}.`,
    )
  }
  try {
    const dataKey = decrypt(key.keyObject, binding('key', keyId, purpose), bytesOf(wrapped!))
    try {
      return decrypt(dataKey, binding('data', keyId, purpose), bytesOf(sealed!))
    } finally {
      dataKey.fill(0)
    }
  } catch (error) {
    throw damaged(purpose, error)
  }
}

/** The additional data. The purpose comes last and the parts before it have fixed lengths, so no two bindings are equal. */
function binding(layer: 'key' | 'data', keyId: string, purpose: string): Buffer {
  return Buffer.from(`sallyport envelope v1\0${layer}\0${keyId}\0${purpose}`, 'utf8')
}

function encrypt(key: CipherKey, additional: Buffer, plaintext: Uint8Array): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }).setAAD(additional)
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

function decrypt(key: CipherKey, additional: Buffer, bytes: Buffer): Buffer {
  const end = bytes.length - TAG_BYTES
  const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
    .setAAD(additional)
    .setAuthTag(bytes.subarray(end))
  // Authenticated encryption gives all bytes at once, and none at the end: one buffer, which the caller can erase.
  const plaintext = decipher.update(bytes.subarray(NONCE_BYTES, end))
  try {
    decipher.final()
    return plaintext
  } catch (error) {
    plaintext.fill(0)
    throw error
  }
}

/** Only the one spelling of the bytes counts: otherwise the last character could change and still mean the same. */
function bytesOf(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.toString('base64url') !== text) throw new Error('not canonical base64url')
  return bytes
}

function damaged(purpose: string, cause?: unknown): GatewayError {
  return new GatewayError(
    'VAULT_DAMAGED',
    `The sealed value "${purpose}" is damaged or was moved from another place.`,
    {
      cause,
    },
  )
}
