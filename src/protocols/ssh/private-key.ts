/** The leased private key of an account, in any of the usual forms, ready to sign a login. */

import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'
import { string } from '../../shared/ssh-wire.ts'
import type { CredentialMaterial } from '../../vault/lease.ts'
import { signatureAlgorithms } from './algorithms.ts'
import { convertSignature, parseKey } from './ssh2-internals.ts'

export interface SigningKey {
  /** What goes into the signature and into the request beside the key. */
  readonly algorithm: string
  /** The public half (RFC 4253 §6.6). */
  readonly blob: Buffer
  /** The signature's own bytes; undefined when the key cannot sign. */
  sign(data: Buffer): Buffer | undefined
}

/** Reads OpenSSH's form, PEM and PKCS #8 (Ed25519, ECDSA, RSA); undefined for anything else, or a wrong passphrase. */
export function readPrivateKey(material: CredentialMaterial): SigningKey | undefined {
  if (material.kind !== 'private-key') return undefined
  const text = material.privateKey.reveal()
  const passphrase = material.passphrase?.reveal()
  return readOpenSsh(text, passphrase) ?? readPkcs8(text, passphrase)
}

function readOpenSsh(text: string, passphrase: string | undefined): SigningKey | undefined {
  const key = parseKey(text, passphrase)
  if (key instanceof Error || Array.isArray(key) || !key.isPrivateKey()) return undefined
  const algorithm = signatureAlgorithms(key.type)[0]!
  return {
    algorithm,
    blob: key.getPublicSSH(),
    sign(data) {
      const raw = key.sign(data, algorithm === 'rsa-sha2-512' ? 'sha512' : undefined)
      return raw instanceof Error ? undefined : convertSignature(raw, key.type) || undefined
    },
  }
}

const ED25519_BYTES = 32

/** ssh2 does not know PKCS #8, which `openssl genpkey` writes. The others are turned into a form that it knows. */
function readPkcs8(text: string, passphrase: string | undefined): SigningKey | undefined {
  const key = parsePkcs8(text, passphrase)
  if (key?.asymmetricKeyType === 'ed25519') {
    const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
    const blob = Buffer.concat([string('ssh-ed25519'), string(spki.subarray(-ED25519_BYTES))])
    return { algorithm: 'ssh-ed25519', blob, sign: data => sign(null, data, key) }
  }
  if (key?.asymmetricKeyType === 'rsa') {
    return readOpenSsh(key.export({ format: 'pem', type: 'pkcs1' }).toString(), undefined)
  }
  if (key?.asymmetricKeyType === 'ec') {
    return readOpenSsh(key.export({ format: 'pem', type: 'sec1' }).toString(), undefined)
  }
  return undefined
}

function parsePkcs8(text: string, passphrase: string | undefined): KeyObject | undefined {
  try {
    return createPrivateKey(passphrase === undefined ? text : { key: text, passphrase })
  } catch {
    return undefined
  }
}
