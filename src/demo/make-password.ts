/** Passwords of the demo, which people read and type. */

import { randomInt } from 'node:crypto'

/** Without those that can be mistaken for each other. */
const LETTERS = 'abcdefghjkmnpqrstuvwxyz'
const DIGITS = '23456789'

/** Letters and digits, the last one a letter: no password may end in six digits. 24 of them are 118 bits, 12 are 59. */
export function makePassword(length: number): string {
  const oneOf = (alphabet: string) => alphabet[randomInt(alphabet.length)]
  return Array.from({ length }, (_, i) => oneOf(i === length - 1 ? LETTERS : LETTERS + DIGITS)).join('')
}
