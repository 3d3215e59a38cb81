/** Untrusted text (commands, user names, paths, statements) made safe for a terminal line: what does not print is shown. */

import { markUnseen } from './unseen.ts'

/** Control, unassigned and private characters; what is not seen, {@link markUnseen} knows. */
const UNPRINTABLE = /[\p{Cc}\p{Cn}\p{Co}]/gu
const NAMES: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\x1b': '\\e' }

/** One line, whatever came: `a\nb` shows as `a\nb` with a backslash, an escape as `\e`, others as `\x07` or `\u{202e}`. */
export function printable(text: string | Buffer): string {
  return markUnseen(text.toString(), escaped).replace(
    UNPRINTABLE,
    character => NAMES[character] ?? escaped(character.codePointAt(0)!),
  )
}

function escaped(code: number): string {
  const hex = code.toString(16)
  return code < 0x100 ? `\\x${hex.padStart(2, '0')}` : `\\u{${hex}}`
}
