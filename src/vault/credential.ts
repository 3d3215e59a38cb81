/** What a credential may be: checks the material when it comes in, and turns it to bytes and back for sealing. */

import { z } from 'zod'
import { GatewayError } from '../shared/errors.ts'
import { PrivateKeyError } from '../shared/private-key/private-key-error.ts'
import { readPrivateKey } from '../shared/private-key/read-private-key.ts'
import { Secret } from '../shared/secret.ts'
import type { CredentialMaterial } from './lease.ts'

const MAX_PASSWORD_BYTES = 4096
const MAX_KEY_BYTES = 65_536

/**
 * What is sealed of material that comes in: a private key without its passphrase and in one form (PKCS #8, PEM), whatever it came in, so
 * that no login has to derive keys. Throws `BAD_REQUEST` with what is wrong when it cannot be a credential: better now than at a login.
 */
export async function acceptMaterial(material: CredentialMaterial): Promise<CredentialMaterial> {
  if (material.kind === 'private-key') return acceptPrivateKey(material.privateKey, material.passphrase)
  checkPassword(material.password)
  return material
}

function checkPassword(password: Secret): void {
  const bytes = password.revealBytes()
  if (bytes.length === 0) throw refused('The password is empty.')
  if (bytes.length > MAX_PASSWORD_BYTES) throw refused(`The password is longer than ${MAX_PASSWORD_BYTES} bytes.`)
  if (bytes.includes(0)) throw refused('The password holds a NUL byte, which no login can carry.')
  if (bytes.includes(10) || bytes.includes(13)) throw refused('The password holds a line break.')
}

async function acceptPrivateKey(privateKey: Secret, passphrase: Secret | undefined): Promise<CredentialMaterial> {
  const bytes = privateKey.revealBytes()
  if (bytes.length > MAX_KEY_BYTES) throw refused(`The private key is longer than ${MAX_KEY_BYTES} bytes.`)
  try {
    const key = await readPrivateKey(bytes, passphrase?.revealBytes())
    return { kind: 'private-key', privateKey: new Secret(key.export({ type: 'pkcs8', format: 'pem' })) }
  } catch (error) {
    if (error instanceof PrivateKeyError) throw refused(error.message)
    throw error
  }
}

const stored = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('password'), password: z.base64() }),
  z.strictObject({ kind: z.literal('private-key'), privateKey: z.base64(), passphrase: z.base64().optional() }),
])

/** The bytes that are sealed. The caller erases them. */
export function encodeMaterial(material: CredentialMaterial): Buffer {
  const text = (secret: Secret) => secret.revealBytes().toString('base64')
  const document: z.input<typeof stored> =
    material.kind === 'password'
      ? { kind: 'password', password: text(material.password) }
      : {
          kind: 'private-key',
          privateKey: text(material.privateKey),
          ...(material.passphrase === undefined ? {} : { passphrase: text(material.passphrase) }),
        }
  return Buffer.from(JSON.stringify(document))
}

/** The way back. Throws when the bytes are not of a form that this version knows. */
export function decodeMaterial(bytes: Buffer): CredentialMaterial {
  const document = stored.parse(JSON.parse(bytes.toString('utf8')))
  const secret = (text: string) => new Secret(Buffer.from(text, 'base64'))
  if (document.kind === 'password') return { kind: 'password', password: secret(document.password) }
  return {
    kind: 'private-key',
    privateKey: secret(document.privateKey),
    ...(document.passphrase === undefined ? {} : { passphrase: secret(document.passphrase) }),
  }
}

function refused(message: string): GatewayError {
  return new GatewayError('BAD_REQUEST', message)
}
