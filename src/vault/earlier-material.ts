/** Credentials as the first version sealed them: JSON with the secrets in base64, read without making a string of them. */

import { erasableBytes, Secret } from '../shared/secret.ts'
import type { CredentialMaterial } from './lease.ts'

/** Throws when the bytes are not of that form. */
export function decodeEarlierMaterial(bytes: Buffer): CredentialMaterial {
  const password = fieldOf(bytes, 'password')
  if (password !== undefined) return { kind: 'password', password }
  const privateKey = fieldOf(bytes, 'privateKey')
  if (privateKey === undefined) throw new Error('sealed material of an unknown form')
  const passphrase = fieldOf(bytes, 'passphrase')
  return { kind: 'private-key', privateKey, ...(passphrase === undefined ? {} : { passphrase }) }
}

/** The value of a field that holds base64, which has no character that JSON escapes. */
function fieldOf(json: Buffer, name: string): Secret | undefined {
  const before = Buffer.from(`"${name}":"`)
  const at = json.indexOf(before)
  if (at < 0) return undefined
  const from = at + before.length
  const decoded = decodeBase64(json.subarray(from, json.indexOf('"', from)))
  const secret = new Secret(decoded)
  decoded.fill(0)
  return secret
}

const ALPHABET = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', 'latin1')

/** RFC 4648 §4, from bytes to bytes. */
function decodeBase64(text: Buffer): Buffer {
  const padding = text.indexOf('=')
  const digits = padding < 0 ? text : text.subarray(0, padding)
  const bytes = erasableBytes(Math.floor((digits.length * 3) / 4))
  let bits = 0
  let held = 0
  let at = 0
  for (const digit of digits) {
    held = ((held << 6) | ALPHABET.indexOf(digit)) & 0xffff
    bits += 6
    if (bits < 8) continue
    bits -= 8
    bytes[at++] = (held >> bits) & 0xff
  }
  return bytes
}
