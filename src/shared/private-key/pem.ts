/** PEM files (RFC 7468) as OpenSSL and older OpenSSH write them: PKCS #8, PKCS #1 and SEC 1, whatever their label says. */

import { createDecipheriv, createHash, createPrivateKey, type KeyObject } from 'node:crypto'
import { publicBlob, signsForItself } from './key-parts.ts'
import { refusedType } from './openssh.ts'
import { damaged, PrivateKeyError, wrongPassphrase } from './private-key-error.ts'

export interface PemBlock {
  /** What stands before `PRIVATE KEY`: `RSA`, `EC`, `ENCRYPTED`, `OPENSSH`, or nothing. */
  readonly label: string
  /** `Proc-Type`, `DEK-Info` (RFC 1421). */
  readonly headers: ReadonlyMap<string, string>
  readonly bytes: Buffer
}

const BEGIN = /^-----BEGIN (?:([A-Z0-9][A-Z0-9 ]*) )?PRIVATE KEY-----$/

/** The first private key in the text: what stands before (EC PARAMETERS, words) and behind it is passed over. */
export function findPemBlock(text: string): PemBlock | undefined {
  const lines = text.split(/\r\n|\n|\r/).map(line => line.trim())
  const begin = lines.findIndex(line => BEGIN.test(line))
  if (begin < 0) return undefined
  const label = BEGIN.exec(lines[begin]!)![1] ?? ''
  const end = lines.indexOf(lines[begin]!.replace('BEGIN', 'END'), begin)
  if (end < 0) throw damaged(formOf(label))
  const headers = new Map<string, string>()
  let at = begin + 1
  for (; at < end && lines[at]!.includes(':'); at++) {
    const colon = lines[at]!.indexOf(':')
    headers.set(lines[at]!.slice(0, colon), lines[at]!.slice(colon + 1).trim())
  }
  return { label, headers, bytes: Buffer.from(lines.slice(at, end).join(''), 'base64') }
}

export function readPem({ label, headers, bytes }: PemBlock, passphrase: Buffer | undefined): KeyObject {
  const form = formOf(label)
  if (label === 'DSA') throw refusedType('ssh-dss')
  const legacy = headers.get('DEK-Info')
  const encrypted = legacy !== undefined || label === 'ENCRYPTED'
  if (encrypted && (passphrase === undefined || passphrase.length === 0)) throw wrongPassphrase(form, false)
  const plain = legacy === undefined ? bytes : decryptLegacy(legacy, bytes, passphrase!, form)
  const key = parseDer(plain, label === 'ENCRYPTED' ? passphrase : undefined)
  if (key === undefined) throw encrypted ? wrongPassphrase(form, true) : damaged(form)
  publicBlob(key)
  if (!signsForItself(key)) throw damaged(form)
  return key
}

/** PKCS #8, SEC 1 or PKCS #1, by content: files are about whose label says EC PRIVATE KEY and which hold PKCS #8. */
export function parseDer(bytes: Buffer, passphrase?: Buffer): KeyObject | undefined {
  for (const type of ['pkcs8', 'sec1', 'pkcs1'] as const) {
    try {
      return createPrivateKey({ key: bytes, format: 'der', type, ...(passphrase === undefined ? {} : { passphrase }) })
    } catch {
      // Another type, or a wrong passphrase: told when none fits.
    }
  }
  return undefined
}

/** OpenSSL's encryption of PEM before PKCS #8: one round of MD5 over passphrase and salt (EVP_BytesToKey). */
function decryptLegacy(dekInfo: string, bytes: Buffer, passphrase: Buffer, form: string): Buffer {
  const [name = '', hex = ''] = dekInfo.split(',').map(part => part.trim())
  const iv = Buffer.from(hex, 'hex')
  const size = KEY_BYTES[name.toUpperCase()]
  if (size === undefined || iv.length < 8) {
    const shown = /^[\w-]{1,32}$/.test(name) ? ` ${name}` : ''
    throw new PrivateKeyError(
      `The private key (${form}) is encrypted with a cipher${shown} that is not known here; change it with: ssh-keygen -p -f FILE`,
    )
  }
  const salt = iv.subarray(0, 8)
  let key: Buffer = Buffer.alloc(0)
  for (let last = key; key.length < size; key = Buffer.concat([key, last])) {
    last = createHash('md5').update(last).update(passphrase).update(salt).digest()
  }
  try {
    const decipher = createDecipheriv(name.toLowerCase(), key.subarray(0, size), iv)
    return Buffer.concat([decipher.update(bytes), decipher.final()])
  } catch {
    throw wrongPassphrase(form, true)
  } finally {
    key.fill(0)
  }
}

const KEY_BYTES: Record<string, number> = {
  'DES-EDE3-CBC': 24,
  'AES-128-CBC': 16,
  'AES-192-CBC': 24,
  'AES-256-CBC': 32,
  'CAMELLIA-128-CBC': 16,
  'CAMELLIA-192-CBC': 24,
  'CAMELLIA-256-CBC': 32,
  'ARIA-128-CBC': 16,
  'ARIA-192-CBC': 24,
  'ARIA-256-CBC': 32,
}

function formOf(label: string): string {
  return `PEM, ${label === '' ? '' : `${label} `}PRIVATE KEY`
}
