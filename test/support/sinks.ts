/** Everything that left a gateway or was written by it, and a search of it for secrets in every form that they may take. */

import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { secretForms } from './secret-forms.ts'

export interface Canary {
  readonly name: string
  /** The forms in which it may lie somewhere. */
  readonly forms: ReadonlyMap<string, Buffer>
}

/** A password, as text. */
export function textCanary(name: string, text: string): Canary {
  return { name, forms: secretForms(text) }
}

/** A key, or what was computed from a secret: bytes that no text has. */
export function bytesCanary(name: string, bytes: Buffer): Canary {
  const forms = new Map(secretForms(bytes.toString('latin1')))
  for (const text of ['URL', 'JSON', 'SQL', 'UTF-16LE', 'UTF-16BE']) forms.delete(text)
  for (const [offset, form] of base64Forms(bytes)) forms.set(`base64 at ${offset}`, form)
  forms.set('plain', bytes)
  forms.set('hex', Buffer.from(bytes.toString('hex')))
  forms.set('HEX', Buffer.from(bytes.toString('hex').toUpperCase()))
  return { name, forms }
}

/** What SCRAM-SHA-256 computes from a password for the verifier of a server (RFC 5802 §3): each lets somebody in, or lets passwords be tried. */
export function scramCanaries(name: string, password: string, verifier: string): Canary[] {
  const [, iterations, salt] = /^SCRAM-SHA-256\$(\d+):([^$]+)\$/.exec(verifier)!
  const salted = pbkdf2Sync(password.normalize('NFKC'), Buffer.from(salt!, 'base64'), Number(iterations), 32, 'sha256')
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest()
  const clientKey = hmac('Client Key')
  const parts = {
    'salted password': salted,
    'client key': clientKey,
    'stored key': createHash('sha256').update(clientKey).digest(),
    'server key': hmac('Server Key'),
  }
  return Object.entries(parts).map(([part, bytes]) => bytesCanary(`${name}, SCRAM ${part}`, bytes))
}

/** Where the secrets are found: `the password of app (hex) in the audit log`. */
export function findIn(sinks: ReadonlyMap<string, Buffer>, canaries: readonly Canary[]): string[] {
  return [...sinks].flatMap(([sink, bytes]) =>
    canaries.flatMap(({ name, forms }) =>
      [...forms].filter(([, form]) => bytes.includes(form)).map(([form]) => `${name} (${form}) in ${sink}`),
    ),
  )
}

function base64Forms(bytes: Buffer): Map<number, Buffer> {
  return new Map(
    [0, 1, 2].map(offset => {
      const text = Buffer.concat([Buffer.alloc(offset), bytes])
        .toString('base64')
        .replace(/=+$/, '')
      const sure = text.slice(offset === 0 ? 0 : offset + 1, (offset + bytes.length) % 3 === 0 ? undefined : -1)
      return [offset, Buffer.from(sure)]
    }),
  )
}
