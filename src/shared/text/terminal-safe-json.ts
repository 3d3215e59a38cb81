/** JSON that may be looked at in a terminal: JSON's own escapes stop at the old control characters. */

/** DEL, the C1 controls (U+009B begins a control sequence), line separators, what turns the direction of text, and what is not seen. */
const LEFT_BY_JSON = /[\x7f-\x9f\u2028\u2029\p{Cf}\p{Default_Ignorable_Code_Point}]/gu

/** The same JSON with those escaped: read back, it is equal. */
export function terminalSafeJson(json: string): string {
  return json.replace(LEFT_BY_JSON, character =>
    Array.from(
      { length: character.length },
      (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`,
    ).join(''),
  )
}
