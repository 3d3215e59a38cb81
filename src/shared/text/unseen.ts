/** Characters that nobody sees, or that make a text read otherwise than it stands: told from those that a script or an emoji needs. */

/**
 * Format characters (among them those that turn the direction of text, and tags), surrogates without their other half, line and
 * paragraph separators, and all that fonts leave out (fillers, variation selectors).
 */
const UNSEEN = /[\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu

const JOINERS = '\u200c\u200d'
/** After these a joiner shapes what is shown: in a sequence of emoji, and between letters of scripts that are written joined. */
const JOINED =
  /(?:\p{Extended_Pictographic}\ufe0f?|\p{Emoji_Modifier}|[\p{Script=Arabic}\p{Script=Syriac}\p{Script=Mongolian}\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Gurmukhi}\p{Script=Gujarati}\p{Script=Oriya}\p{Script=Tamil}\p{Script=Telugu}\p{Script=Kannada}\p{Script=Malayalam}\p{Script=Sinhala}\p{Script=Khmer}])$/u
const EMOJI_STYLE = '\ufe0e\ufe0f'
const EMOJI = /\p{Extended_Pictographic}$/u
const IDEOGRAPH_VARIANT = /^[\ufe00-\ufe02\u{e0100}-\u{e01ef}]$/u
const IDEOGRAPH = /\p{Script=Han}$/u
/** In UTF-16 units: two characters. */
const CONTEXT = 4

/** Puts `mark` in the place of every unseen character; `before` is the text in front, as far as it matters. */
export function markUnseen(text: string, mark: (code: number) => string, before = ''): string {
  return text.replace(UNSEEN, (character, at: number) => {
    const context = at >= CONTEXT ? text.slice(at - CONTEXT, at) : before.slice(-CONTEXT) + text.slice(0, at)
    return isNeeded(character, context) ? character : mark(character.codePointAt(0)!)
  })
}

/** The same for a text that comes in pieces: it depends on the text alone. Unseen characters become `⟨U+202E⟩`. */
export function createUnseenMarker(): (piece: string) => string {
  let before = ''
  return piece => {
    const marked = markUnseen(piece, visibleName, before)
    before = piece.length >= CONTEXT ? piece.slice(-CONTEXT) : (before + piece).slice(-CONTEXT)
    return marked
  }
}

export function visibleName(code: number): string {
  return `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`
}

function isNeeded(character: string, before: string): boolean {
  if (JOINERS.includes(character)) return JOINED.test(before)
  if (EMOJI_STYLE.includes(character)) return EMOJI.test(before)
  return IDEOGRAPH_VARIANT.test(character) && IDEOGRAPH.test(before)
}
