/** Text of strangers (commands, user names, paths, statements) made safe for a terminal line: what does not print is shown. */

// Control, format (bidirectional overrides, zero-width), surrogate, unassigned and private characters, line and paragraph separators.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Cn}\p{Co}\p{Zl}\p{Zp}]/gu
const NAMES: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\x1b': '\\e' }

/** One line, whatever came: `a\nb` shows as `a\nb` with a backslash, an escape as `\e`, others as `\x07` or `\u{202e}`. */
export function printable(text: string | Buffer): string {
  return text.toString().replace(UNPRINTABLE, character => NAMES[character] ?? escaped(character.codePointAt(0)!))
}

function escaped(code: number): string {
  const hex = code.toString(16)
  return code < 0x100 ? `\\x${hex.padStart(2, '0')}` : `\\u{${hex}}`
}
