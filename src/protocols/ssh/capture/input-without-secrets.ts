/** The standard input of a program without a terminal as it may be kept: without the lines in which a password is handed over. */

import type { SecretInput } from './commands/secret-input.ts'

/** What stands in the recording for a secret; it does not say how long that is. */
export const NOT_KEPT = Buffer.from('[not recorded: a secret]\n')

const NEWLINE = 10
const ESCAPE = '\x1b'
const NOTHING = Buffer.alloc(0)
/** The last byte of what {@link PROMPT} matches: blanks, `:`, `?`, `>`, that of `：`, and those of what is not seen behind them. */
const PROMPT_ENDS = Buffer.from(' \t\r:?>\x9a\0\x07mhlK', 'latin1')
/** Colours and modes (ECMA-48), controls and format characters: a prompt looks the same with and without. */
const NOT_SEEN = new RegExp(String.raw`${ESCAPE}\[[0-?]*[ -/]*[@-~]|(?![\t\r])[\p{Cc}\p{Cf}]`, 'gu')
/** No password is longer; a longer line is no answer to a prompt, and is kept. */
const LONGEST_SECRET = 1_024
/** Of what the target shows, so much is looked at for a prompt. */
const LONGEST_PROMPT = 160
/** The last line shown, without its end: it asks for a password, in a few languages, or it is sudo that asks. */
const PROMPT =
  /(?:pass(?:word|phrase|code|wd|wort)|kennwort|mot de passe|contrase|senha|hasło|heslo|lösenord|salasana|parola|şifre|парол|密码|密碼|口令|パスワード|암호|\bpin\b|secret|token|\botp\b|verification code|\[sudo)[^\n]{0,100}[:?>：]\s*$/i

export class InputWithoutSecrets {
  readonly #keep: (bytes: Buffer) => void
  #mode: 'open' | 'secret-line' | 'secret' | 'secret-told'
  /** The beginning of a line that may be a secret. */
  #held = Buffer.alloc(0)
  /** The end of what the target showed last, as far as it has no line end behind it. */
  #shown = Buffer.alloc(0)

  constructor(secret: SecretInput, keep: (bytes: Buffer) => void) {
    this.#keep = keep
    this.#mode = secret === 'all' ? 'secret' : secret === 'first-line' ? 'secret-line' : 'open'
  }

  /** What the program wrote, to either stream. */
  shown(bytes: Buffer): void {
    // A bulk of data that ends like no prompt: the usual case, and nothing to copy.
    if (bytes.length >= LONGEST_PROMPT && !PROMPT_ENDS.includes(bytes.at(-1)!)) {
      this.#shown = NOTHING
      return
    }
    const last = bytes.subarray(-LONGEST_PROMPT)
    const line = last.subarray(last.lastIndexOf(NEWLINE) + 1)
    const before = line.length === bytes.length ? this.#shown : Buffer.alloc(0)
    // A copy: the packet's memory is used again.
    this.#shown = Buffer.concat([before, line]).subarray(-LONGEST_PROMPT)
  }

  typed(bytes: Buffer): void {
    if (bytes.length === 0) return
    if (this.#mode === 'open' && this.#shown.length > 0) {
      if (PROMPT.test(this.#shown.toString('utf8').replace(NOT_SEEN, ''))) this.#mode = 'secret-line'
      this.#shown = Buffer.alloc(0)
    }
    if (this.#mode === 'open') this.#keep(bytes)
    else if (this.#mode === 'secret-line') this.#secretLine(bytes)
    else if (this.#mode === 'secret') {
      this.#mode = 'secret-told'
      this.#keep(NOT_KEPT)
    }
  }

  /** The input is over: what was held was a line without an end. */
  end(): void {
    if (this.#held.length > 0) this.#keep(NOT_KEPT)
    this.#held = Buffer.alloc(0)
  }

  #secretLine(bytes: Buffer): void {
    const end = bytes.indexOf(NEWLINE)
    const line = end === -1 ? bytes : bytes.subarray(0, end + 1)
    const held = Buffer.concat([this.#held, line])
    const tooLong = held.length > LONGEST_SECRET
    this.#held = end === -1 && !tooLong ? held : Buffer.alloc(0)
    if (end === -1 && !tooLong) return
    this.#mode = 'open'
    this.#keep(tooLong ? held : NOT_KEPT)
    this.#shown = Buffer.alloc(0)
    if (line.length < bytes.length) this.#keep(bytes.subarray(line.length))
  }
}
