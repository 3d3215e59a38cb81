/** The words of a target or a connector, as they may be stored and shown: short, printable, and without any of the secrets in question. */

import { GatewayError } from '../shared/errors.ts'
import type { Secret } from '../shared/secret.ts'
import { unlessSecret } from '../shared/text/without-secrets.ts'

const MOST_CHARACTERS = 400

/** `opened`: all that whoever says it may know. A connector has left out what is no plain word; what it says itself is among them. */
export function safeWords(words: string, opened: readonly Secret[]): string {
  return unlessSecret(words, opened, MOST_CHARACTERS)
}

/** What may be said of something that a connector threw, which it should not: only what we know the words of. */
export function wordsOfThrown(error: unknown): string {
  if (error instanceof GatewayError) return `${error.code}: ${error.message}`
  return `it broke (${error instanceof Error ? error.name : typeof error})`
}
