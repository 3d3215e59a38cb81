/** What can be known of a person's terminal from what the target wrote to it: whether a program has the whole screen, and whether a text may go in between. */

const BEL = 0x07
const CANCEL = 0x18
const SUBSTITUTE = 0x1a
const ESC = 0x1b
/** A longer sequence sets no mode that matters here. */
const MOST_PARAMETERS = 64
const ALTERNATE_SCREENS = new Set(['47', '1047', '1049'])

type Within =
  /** Nothing: text, and single control characters. */
  | 'text'
  /** After ESC, and what may stand before its final character. */
  | 'escape'
  /** CSI: parameters, then a final character. */
  | 'control'
  /** OSC, which BEL ends too; DCS, SOS, PM, APC. */
  | 'command'
  | 'string'

/** Fed with every chunk, however it is cut (ECMA-48 §5.4 and §5.6; what xterm makes of control characters inside). Text is only searched for ESC. */
export class ScreenState {
  #within: Within = 'text'
  #parameters = ''
  #alternate = false
  /** Programs that have the screen without an alternate one ask for application cursor keys; shells that do take pastes in brackets. */
  #cursorKeys = false
  #bracketedPaste = false
  /** Bytes that are missing of the last UTF-8 character. */
  #missing = 0

  /** A program has the whole screen: what is written now spoils its picture. */
  get fullScreen(): boolean {
    return this.#alternate || (this.#cursorKeys && !this.#bracketedPaste)
  }

  get alternate(): boolean {
    return this.#alternate
  }

  /** True between two sequences, and between two characters. */
  get atBoundary(): boolean {
    return this.#within === 'text' && this.#missing === 0
  }

  /** The terminal was told to forget the sequence that it is in. */
  cancelled(): void {
    this.#within = 'text'
    this.#missing = 0
  }

  see(bytes: Uint8Array): void {
    let at = 0
    while (at < bytes.length) at = this.#within === 'text' ? this.#text(bytes, at) : this.#next(bytes, at)
  }

  #text(bytes: Uint8Array, from: number): number {
    const found = bytes.indexOf(ESC, from)
    if (found === -1) {
      this.#missing = missingAfter(bytes, from, this.#missing)
      return bytes.length
    }
    this.#missing = 0
    this.#begin()
    return found + 1
  }

  /** Gives where it goes on. */
  #next(bytes: Uint8Array, at: number): number {
    const byte = bytes[at]!
    if (byte === ESC) this.#begin()
    else if (byte === CANCEL || byte === SUBSTITUTE) this.#within = 'text'
    else if (this.#within === 'command' || this.#within === 'string') {
      if (byte === BEL && this.#within === 'command') this.#within = 'text'
    } else if (byte >= 0x80) {
      // No part of a sequence: it is text again.
      this.#within = 'text'
      return at
    } else if (byte >= 0x20 && byte < 0x7f) this.#part(byte)
    return at + 1
  }

  #begin(): void {
    this.#within = 'escape'
    this.#parameters = ''
  }

  #part(byte: number): void {
    if (this.#within === 'escape') {
      if (byte >= 0x30) this.#escape(String.fromCharCode(byte))
      else this.#parameters = ' '
    } else if (byte >= 0x40) {
      this.#control(String.fromCharCode(byte))
      this.#within = 'text'
    } else if (this.#parameters.length < MOST_PARAMETERS) this.#parameters += String.fromCharCode(byte)
  }

  #escape(final: string): void {
    const plain = this.#parameters === ''
    this.#parameters = ''
    this.#within = 'text'
    // `ESC ( B` and its like.
    if (!plain) return
    if (final === '[') this.#within = 'control'
    else if (final === ']') this.#within = 'command'
    else if ('PX^_'.includes(final)) this.#within = 'string'
    else if (final === 'c') this.#reset()
  }

  #control(final: string): void {
    const parameters = this.#parameters
    if (final === 'p' && parameters === '!') this.#cursorKeys = false
    if ((final !== 'h' && final !== 'l') || !parameters.startsWith('?')) return
    const on = final === 'h'
    for (const mode of parameters.slice(1).split(';')) {
      if (ALTERNATE_SCREENS.has(mode)) this.#alternate = on
      else if (mode === '1') this.#cursorKeys = on
      else if (mode === '2004') this.#bracketedPaste = on
    }
  }

  #reset(): void {
    this.#alternate = false
    this.#cursorKeys = false
    this.#bracketedPaste = false
  }
}

/** Of a character that begins, or goes on, at the end of `bytes` (RFC 3629 §3); `before`: what was missing ahead of `from`. */
function missingAfter(bytes: Uint8Array, from: number, before: number): number {
  let continuing = 0
  while (continuing < 3 && bytes.length - continuing > from && isContinuation(bytes[bytes.length - 1 - continuing]!))
    continuing++
  const at = bytes.length - 1 - continuing
  if (at < from) return Math.max(0, before - continuing)
  return Math.max(0, lengthOf(bytes[at]!) - 1 - continuing)
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80
}

function lengthOf(first: number): number {
  if (first < 0xc0 || first > 0xf7) return 1
  return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
}
