/** The words of a target or a connector, as they may be stored and shown: short, printable, and without any of the secrets in question. */

import { GatewayError } from '../shared/errors.ts'
import { printable } from '../shared/text/printable.ts'
import type { CredentialMaterial } from '../vault/lease.ts'

const MOST_CHARACTERS = 400
/** What is shorter is found in words by chance. */
const LEAST_BYTES = 4

export function safeWords(words: string, materials: readonly (CredentialMaterial | undefined)[]): string {
  const bytes = Buffer.from(words)
  const holds = (material: CredentialMaterial | undefined) =>
    material?.kind === 'password' &&
    material.password.byteLength >= LEAST_BYTES &&
    bytes.includes(material.password.revealBytes())
  if (materials.some(holds)) return 'its words held the credential, and are not kept'
  const text = printable(words).trim()
  return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS - 1)}…` : text
}

/** What may be said of something that a connector threw, which it should not: only what we know the words of. */
export function wordsOfThrown(error: unknown): string {
  if (error instanceof GatewayError) return `${error.code}: ${error.message}`
  return `it broke (${error instanceof Error ? error.name : typeof error})`
}
