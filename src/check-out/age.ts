/** Encrypts for a person's own key, in the format of age (https://age-encryption.org/v1): X25519 and hybrid recipients. */

import { GatewayError } from '../shared/errors.ts'

export type EncryptFor = (bytes: Uint8Array) => Promise<string>

const RECIPIENT = /^age1[a-z0-9]{20,4000}$/

/** Resolves to what encrypts for them, as armored text. Throws `BAD_REQUEST` where it is no recipient. */
export async function encryptTo(recipient: string): Promise<EncryptFor> {
  if (/^(ssh-|ecdsa-|sk-)/.test(recipient)) throw bad('--to-age takes age1…, and no SSH key; age-keygen makes one.')
  if (!RECIPIENT.test(recipient))
    throw bad('--to-age takes a public key of age, which begins with age1; age-keygen makes one.')
  const { armor, Encrypter } = await import('age-encryption')
  const encrypter = new Encrypter()
  try {
    encrypter.addRecipient(recipient)
  } catch {
    throw bad('--to-age: this key of age was cut or mistyped.')
  }
  return async bytes => armor.encode(await encrypter.encrypt(bytes))
}

function bad(message: string): GatewayError {
  return new GatewayError('BAD_REQUEST', message)
}
