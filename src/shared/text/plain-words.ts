/**
 * Of a text that somebody else wrote, what is words of a language and small numbers. Everything else is left out, whatever it means: so no code
 * (hex, base64, escapes, …) of anything needs to be known in order to keep it out.
 */

import { isIPv4 } from 'node:net'
import { printable } from './printable.ts'

export const LEFT_OUT = '…'

const MOST_LETTERS = 20
const MOST_DIGITS = 5
const MOST_PARTS = 8
/** So many tiny pieces in a row spell something. */
const SPELLING = 3

/** `word`, `Word`, `WORD`, `PermissionError`; all of one script, so that none is there for one that looks like it. */
const CASED = new RegExp(`^\\p{L}[\\p{Ll}\\p{Lo}]{0,${MOST_LETTERS - 1}}$|^\\p{Lu}{1,${MOST_LETTERS}}$`, 'u')
const JOINED = /^(?=.{1,40}$)\p{Lu}{0,4}(?:\p{Lu}\p{Ll}{2,14}){2,4}$/u
const NUMBERED = /^(\p{L}{2,12})\d{1,3}$/u
const LATIN = /\p{Script=Latin}/u
const LATIN_ALONE = /^\p{Script=Latin}+$/u
const NUMBER = new RegExp(`^\\d{1,${MOST_DIGITS}}$`)
const KNOWN = new Set(['ed25519'])
/** Behind an apostrophe. */
const ENDINGS = new Set(['t', 's', 'd', 'm', 'll', 're', 've'])
const SHORT = new Set(
  'a an as at be by do go he if in is it me my no of on or so to up us we id ip os db pg vm cn dn ou ok'.split(' '),
)

/** What may stand before and behind a word; between the parts of one there is one of these. */
const TOKEN = /^([("'`[{<«„“‘~/-]{0,3})(.*?)([()"'`\]}>»“”’.,:;!?/-]{0,4})$/su
const BETWEEN = /[-–'’/_.:@,()[\]]/u

type Kind = 'word' | 'tiny' | 'number' | 'nothing' | 'other'

/** Line by line, each with {@link LEFT_OUT} where something was; a line that is mostly something else is left out whole. */
export function plainWords(text: string): string[] {
  return text
    .normalize('NFKC')
    .split(/[\r\n\u2028\u2029]+/)
    .map(plainLine)
    .filter((line, at, all) => line !== '' && (line !== LEFT_OUT || all[at - 1] !== LEFT_OUT))
}

function plainLine(line: string): string {
  const tokens = line.split(/\s+/u).filter(token => token !== '')
  const kinds = tokens.map(kindOf)
  const spelled = kinds.map((_, at) => isSpelled(kinds, tokens, at))
  const fits = kinds.map((kind, at) => kind !== 'other' && !spelled[at])
  const kept = fits.map((fit, at) => fit && (fits[at - 1] !== false || fits[at + 1] !== false))
  if (kept.filter(keep => !keep).length * 2 > tokens.length) return LEFT_OUT
  return tokens
    .map((token, at) => (kept[at] ? printable(token) : LEFT_OUT))
    .filter((token, at, all) => token !== LEFT_OUT || all[at - 1] !== LEFT_OUT)
    .join(' ')
}

function kindOf(token: string): Kind {
  const [, before = '', core = '', behind = ''] = TOKEN.exec(token) ?? []
  if (core === '') return before.length + behind.length <= 2 ? 'nothing' : 'other'
  if (isIPv4(core)) return 'word'
  const parts = core.replace(/:\/\/|\/\./g, '/').split(BETWEEN)
  if (parts.length > MOST_PARTS || core.replace(/\D/g, '').length > MOST_DIGITS) return 'other'
  if (parts.every(part => NUMBER.test(part))) return 'number'
  if (parts.length === 1) return isPart(core) ? (isTiny(core) ? 'tiny' : 'word') : 'other'
  const tiny = parts.filter(part => isTiny(part) && !ENDINGS.has(part)).length
  return tiny <= 1 && parts.every(part => NUMBER.test(part) || isPart(part)) ? 'word' : 'other'
}

function isPart(part: string): boolean {
  if (LATIN.test(part.replace(/\d/g, '')) && !LATIN_ALONE.test(part.replace(/\d/g, ''))) return false
  if (KNOWN.has(part)) return true
  return CASED.test(NUMBERED.exec(part)?.[1] ?? part) || JOINED.test(part)
}

function isTiny(part: string): boolean {
  return part.length <= 2 && !SHORT.has(part.toLowerCase())
}

/** Whether it stands in a row of tiny pieces or numbers that together say something: `p a s s`, `112 228 53`, `123 456`. */
function isSpelled(kinds: readonly Kind[], tokens: readonly string[], at: number): boolean {
  const isPiece = (index: number) => ['tiny', 'number', 'nothing'].includes(kinds[index] ?? '')
  if (!isPiece(at)) return false
  let [from, to] = [at, at]
  while (isPiece(from - 1)) from--
  while (isPiece(to + 1)) to++
  const digits = tokens
    .slice(from, to + 1)
    .join('')
    .replace(/\D/g, '').length
  return to - from + 1 >= SPELLING || digits > MOST_DIGITS
}
