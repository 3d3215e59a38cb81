/**
 * What somebody else said who was given secrets, as a person may read it: plain words and small numbers alone, in one bounded line, and nothing
 * at all where they have a piece in common with one of the secrets.
 */

import type { Secret } from '../secret.ts'
import { plainWords } from './plain-words.ts'
import { printable } from './printable.ts'
import { mayShareSecret } from './shares-secret.ts'
import { shortened } from './shortened.ts'

export const WITHHELD = '[its words are withheld, as they could hold a secret]'
const MOST = 300

/** The end of `text`, or its beginning, its lines joined by `; `. */
export function withoutSecrets(
  text: string,
  secrets: readonly Secret[],
  { most = MOST, kept = 'end' }: { readonly most?: number; readonly kept?: 'beginning' | 'end' } = {},
): string {
  const shown = plainWords(text).join('; ')
  // Also of what is left: what stood between may have kept two parts of a secret apart.
  return mayShareSecret(text, secrets) || mayShareSecret(shown, secrets) ? WITHHELD : shortened(shown, most, kept)
}

/** Words of the gateway's own, with plain ones of others in them: all, or nothing. */
export function unlessSecret(words: string, secrets: readonly Secret[], most: number): string {
  return mayShareSecret(words, secrets) ? WITHHELD : shortened(printable(words).trim(), most)
}
