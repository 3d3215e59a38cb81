/** By what two users are known as one person: their names, what their entries say of the person, their addresses. */

import { domainToASCII } from 'node:url'
import { parseSshPublicKey } from './ssh-encoding/public-key.ts'

/**
 * As a directory compares (RFC 4518): letter case, composed or not, width, what is not seen, and blanks around it make no difference.
 * Two users who have one of these in common are one person.
 */
export function identitiesOf({
  name,
  person,
  email,
}: {
  readonly name: string
  readonly person?: string | undefined
  readonly email?: string | undefined
}): ReadonlySet<string> {
  return new Set([name, person, email].flatMap(text => (text === undefined ? [] : folded(text))).filter(isSaid))
}

/** Their public keys: who has one of them is the one who has it, too. */
export function keysOf({ publicKeys }: { readonly publicKeys: readonly string[] }): ReadonlySet<string> {
  return new Set(publicKeys.flatMap(line => parseSshPublicKey(line)?.blob.toString('base64') ?? []))
}

const NOT_SEEN = /[\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}]/gu

function folded(text: string): string {
  // To upper case first: what has two small letters has one great one.
  const letters = text.replace(NOT_SEEN, '').normalize('NFKC').toUpperCase().toLowerCase().normalize('NFKC').trim()
  const at = letters.lastIndexOf('@')
  if (at < 0) return letters.replace(/\s+/g, ' ')
  const domain = letters.slice(at + 1).replace(/\.$/, '')
  return `${letters.slice(0, at)}@${domainToASCII(domain) || domain}`
}

function isSaid(text: string): boolean {
  return text !== ''
}
