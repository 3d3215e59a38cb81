/** SASLprep (RFC 4013) of a password, as PostgreSQL does it: a password that the profile forbids is used as it is. */

// RFC 3454 table C.1.2, and B.1: characters that become a space, and that vanish.
const TO_SPACE = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/gu
const TO_NOTHING = /\u00ad|\u034f|\u1806|[\u180b-\u180d]|\u200c|\u200d|\u2060|[\ufe00-\ufe0f]|\ufeff/gu
// RFC 4013 §2.3: tables C.1.2, C.2, C.3 to C.9 of RFC 3454.
const PROHIBITED =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is forbidden
  /\u0340|\u0341|[\u0000-\u001f\u007f-\u009f\u06dd\u070f\u180e\u2028\u2029\u200e\u200f\u202a-\u202e\u206a-\u206f\u2061-\u2063\u2ff0-\u2ffb\ufff9-\uffff\ufdd0-\ufdef\p{Co}\p{Cs}\p{Noncharacter_Code_Point}\u{1d173}-\u{1d17a}\u{e0001}\u{e0020}-\u{e007f}]/u
const RIGHT_TO_LEFT = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}]/u
const LETTER = /\p{L}/u

/**
 * Code points that Unicode 3.2 did not know are not looked for: for them PostgreSQL uses the password as it is, which differs
 * from the normal form only where both kinds of character stand in one password.
 */
export function saslprep(password: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is its own normal form
  if (/^[\u0000-\u007f]*$/.test(password)) return password
  const prepared = password.replace(TO_SPACE, ' ').replace(TO_NOTHING, '').normalize('NFKC')
  if (prepared === '' || PROHIBITED.test(prepared) || breaksBidi(prepared)) return password
  return prepared
}

/** RFC 3454 §6: with right-to-left characters, no left-to-right ones, and the first and last must be right-to-left. */
function breaksBidi(text: string): boolean {
  if (!RIGHT_TO_LEFT.test(text)) return false
  const characters = [...text]
  const leftToRight = characters.some(character => LETTER.test(character) && !RIGHT_TO_LEFT.test(character))
  return leftToRight || !RIGHT_TO_LEFT.test(characters[0]!) || !RIGHT_TO_LEFT.test(characters.at(-1)!)
}
