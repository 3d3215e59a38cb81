/** Everything that left a gateway or was written by it, and a search of it for secrets in every form that they may take. */

import { createHash } from 'node:crypto'
import { hmac, saltedPassword } from '../../src/protocols/postgres/target-side/salted-password.ts'
import type { Secret } from '../../src/shared/secret.ts'
import { bytesForms, secretForms } from './secret-forms.ts'

export interface Canary {
  readonly name: string
  /** The forms in which it may lie somewhere. */
  readonly forms: ReadonlyMap<string, Buffer>
}

export function textCanary(name: string, text: string): Canary {
  return { name, forms: secretForms(text) }
}

export function bytesCanary(name: string, bytes: Buffer): Canary {
  return { name, forms: bytesForms(bytes) }
}

/** What SCRAM-SHA-256 computes from a password for the verifier of a server (RFC 5802 §3): each lets somebody in, or lets passwords be tried. */
export async function scramCanaries(name: string, password: Secret, verifier: string): Promise<Canary[]> {
  const [, iterations, salt] = /^SCRAM-SHA-256\$(\d+):([^$]+)\$/.exec(verifier)!
  const salted = await saltedPassword(password, Buffer.from(salt!, 'base64'), Number(iterations))
  const clientKey = hmac(salted, 'Client Key')
  const parts = {
    'salted password': salted,
    'client key': clientKey,
    'stored key': createHash('sha256').update(clientKey).digest(),
    'server key': hmac(salted, 'Server Key'),
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
