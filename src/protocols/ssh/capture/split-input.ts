/** Splits a program's standard input into what is shown to everybody who may read the recording, and lines in which a password may be handed over. */

import type { SecretInput } from './commands/secret-input.ts'

export interface InputParts {
  show(bytes: Buffer): void
  hide(bytes: Buffer): void
}

const NEWLINE = 10
const ESCAPE = '\x1b'
const NOTHING = Buffer.alloc(0)
/** The last byte of what {@link PROMPT} matches, in ASCII: a blank, a control, `:`, `?` and `>`; others end in an escape sequence. */
const PROMPT_ENDS = /[\p{Cc} :?>]/u
const ESCAPE_BYTE = 27
const LONGEST_ESCAPE = 16
/** Colours and modes (ECMA-48), controls and format characters: a prompt looks the same with and without. */
const NOT_SEEN = new RegExp(String.raw`${ESCAPE}\[[0-?]*[ -/]*[@-~]|(?![\t\r])[\p{Cc}\p{Cf}]`, 'gu')
/** Of what the target shows, so much is looked at for a prompt. */
const LONGEST_PROMPT = 160
/** The last line shown, without its end: it asks for a password, in a few languages, or it is sudo that asks. */
const PROMPT =
  /(?:pass(?:word|phrase|code|wd|wort)|kennwort|mot de passe|contrase|senha|hasło|heslo|lösenord|salasana|parola|şifre|парол|密码|密碼|口令|パスワード|암호|\bpin\b|secret|token|\botp\b|verification code|\[sudo)[^\n]{0,100}[:?>：]\s*$/i

export class SplitInput {
  readonly #parts: InputParts
  #mode: 'shown' | 'line-hidden' | 'hidden'
  /** The end of what the target showed last, as far as it has no line end behind it. */
  #shown = NOTHING

  constructor(secret: SecretInput, parts: InputParts) {
    this.#parts = parts
    this.#mode = secret === 'all' ? 'hidden' : secret === 'first-line' ? 'line-hidden' : 'shown'
  }

  /** What the program wrote, to either stream. */
  shown(bytes: Buffer): void {
    // A bulk of data that ends like no prompt: the usual case, and nothing to copy.
    if (bytes.length >= LONGEST_PROMPT && !mayEndPrompt(bytes.subarray(-LONGEST_ESCAPE))) {
      this.#shown = NOTHING
      return
    }
    const last = bytes.subarray(-LONGEST_PROMPT)
    const line = last.subarray(last.lastIndexOf(NEWLINE) + 1)
    const before = line.length === bytes.length ? this.#shown : NOTHING
    // A copy: the packet's memory is used again.
    this.#shown = Buffer.concat([before, line]).subarray(-LONGEST_PROMPT)
  }

  typed(bytes: Buffer): void {
    if (bytes.length === 0) return
    if (this.#mode === 'shown' && this.#shown.length > 0) {
      if (PROMPT.test(this.#shown.toString('utf8').replace(NOT_SEEN, ''))) this.#mode = 'line-hidden'
      this.#shown = NOTHING
    }
    if (this.#mode === 'shown') this.#parts.show(bytes)
    else if (this.#mode === 'hidden') this.#parts.hide(bytes)
    else this.#line(bytes)
  }

  #line(bytes: Buffer): void {
    const end = bytes.indexOf(NEWLINE) + 1
    this.#parts.hide(end === 0 ? bytes : bytes.subarray(0, end))
    if (end === 0) return
    this.#mode = 'shown'
    this.#shown = NOTHING
    if (end < bytes.length) this.#parts.show(bytes.subarray(end))
  }
}

/** A byte beyond ASCII may end a character that is not seen, or a `：`. */
function mayEndPrompt(end: Buffer): boolean {
  const last = end.at(-1)!
  if (last === NEWLINE) return false
  return last >= 0x80 || PROMPT_ENDS.test(String.fromCharCode(last)) || end.includes(ESCAPE_BYTE)
}
