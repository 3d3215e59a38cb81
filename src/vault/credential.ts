/** What a credential may be: checks the material when it comes in, and turns it to bytes and back for sealing. */

import { createPrivateKey } from 'node:crypto'
import type { ParsedKey } from 'ssh2'
import { z } from 'zod'
import { GatewayError } from '../shared/errors.ts'
import { Secret } from '../shared/secret.ts'
import { loadSsh2 } from '../shared/ssh2.ts'
import type { CredentialMaterial } from './lease.ts'

const { parseKey } = loadSsh2('lib/protocol/keyParser.js') as {
  parseKey(data: Buffer, passphrase?: Buffer): ParsedKey | ParsedKey[] | Error
}

const MAX_PASSWORD_BYTES = 4096
const MAX_KEY_BYTES = 65_536

/** Throws `BAD_REQUEST` with what is wrong when the material cannot be a credential: better now than at a login. */
export function checkMaterial(material: CredentialMaterial): void {
  if (material.kind === 'password') checkPassword(material.password)
  else checkPrivateKey(material.privateKey, material.passphrase)
}

function checkPassword(password: Secret): void {
  const bytes = password.revealBytes()
  if (bytes.length === 0) throw refused('The password is empty.')
  if (bytes.length > MAX_PASSWORD_BYTES) throw refused(`The password is longer than ${MAX_PASSWORD_BYTES} bytes.`)
  if (bytes.includes(0)) throw refused('The password holds a NUL byte, which no login can carry.')
  if (bytes.includes(10) || bytes.includes(13)) throw refused('The password holds a line break.')
}

function checkPrivateKey(privateKey: Secret, passphrase: Secret | undefined): void {
  const bytes = privateKey.revealBytes()
  if (bytes.length > MAX_KEY_BYTES) throw refused(`The private key is longer than ${MAX_KEY_BYTES} bytes.`)
  if (PKCS8.test(bytes.toString('latin1'))) checkPkcs8(bytes, passphrase)
  else checkOpenSsh(bytes, passphrase)
}

function checkOpenSsh(bytes: Buffer, passphrase: Secret | undefined): void {
  const parsed = parseKey(bytes, passphrase?.revealBytes())
  const key = Array.isArray(parsed) ? parsed[0] : parsed
  if (key === undefined || key instanceof Error) throw refused(whyNotParsed(bytes, passphrase !== undefined))
  if (!key.isPrivateKey()) throw refused('This is a public key; the private key is needed.')
  if (key.type === 'ssh-dss')
    throw refused('A DSA key is not used any more; make an Ed25519 key: ssh-keygen -t ed25519')
  if (!signsForItself(key)) throw refused('The private key is damaged: its halves do not belong together.')
}

/** What `openssl genpkey` writes; ssh2's parser does not know it, Node does. */
const PKCS8 = /^-----BEGIN (ENCRYPTED )?PRIVATE KEY-----/m
const PKCS8_TYPES = ['ed25519', 'rsa', 'ec']

function checkPkcs8(bytes: Buffer, passphrase: Secret | undefined): void {
  let type: string | undefined
  try {
    const input = passphrase === undefined ? { key: bytes } : { key: bytes, passphrase: passphrase.revealBytes() }
    type = createPrivateKey(input).asymmetricKeyType
  } catch {
    throw refused(cannotBeRead(passphrase !== undefined))
  }
  if (type === undefined || !PKCS8_TYPES.includes(type)) {
    throw refused(`A key of the type ${type} cannot log in to an SSH host; make an Ed25519 key: ssh-keygen -t ed25519`)
  }
}

function signsForItself(key: ParsedKey): boolean {
  const probe = Buffer.from('does the private half belong to the public one?')
  const signature: Buffer | Error = key.sign(probe)
  return Buffer.isBuffer(signature) && key.verify(probe, signature) === true
}

/** The parser's own words may quote the key, so they are not passed on. */
function whyNotParsed(bytes: Buffer, hasPassphrase: boolean): string {
  const text = bytes.toString('latin1')
  if (!/^-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----|^PuTTY-User-Key-File-/m.test(text)) {
    return 'This is not a private key: OpenSSH and PEM forms begin with "-----BEGIN … PRIVATE KEY-----".'
  }
  return cannotBeRead(hasPassphrase)
}

function cannotBeRead(hasPassphrase: boolean): string {
  return hasPassphrase
    ? 'The private key cannot be read with this passphrase.'
    : 'The private key cannot be read: it is damaged, or it needs a passphrase.'
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
