/** Splits what a program wrote to a terminal into text, controls and escape sequences, however it was cut into chunks. */

import { StringDecoder } from 'node:string_decoder'

/** Called in the order of the stream. Nothing here is ever half a sequence. */
export interface TerminalSink {
  /** Characters without any control character. */
  text(text: string): void
  /** A C0 control other than ESC, or DEL, or a C1 control written as UTF-8. */
  control(code: number): void
  /** ESC, intermediates (0x20 to 0x2f), final. */
  escape(intermediates: string, final: string): void
  /** CSI: the private prefix (`<`, `=`, `>`, `?` or none), parameters, intermediates, final. */
  csi(prefix: string, parameters: string, intermediates: string, final: string): void
}

/** Longer control sequences are dropped whole. */
const MAX_SEQUENCE = 256
/** A string (title, clipboard, image) that has not ended by then is over: it must not hide the rest of the session. */
const MAX_STRING = 4096

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\x00-\x1f\x7f-\x9f]/g
const CSI = /^([<-?]?)([0-9:;]*)([ -/]*)$/

type State = 'ground' | 'escape' | 'csi' | 'string' | 'string-escape'

/**
 * After the state diagram of https://vt100.net/emu/dec_ansi_parser, for UTF-8: bytes that are not UTF-8, the 8-bit C1 controls
 * among them, become U+FFFD. Strings (OSC, DCS, APC, PM, SOS) are dropped.
 */
export function createTerminalParser(sink: TerminalSink): { push(bytes: Buffer): void; end(): void } {
  const decoder = new StringDecoder('utf8')
  let state: State = 'ground'
  let collected = ''
  let stringLength = 0

  function parse(text: string): void {
    for (let i = 0; i < text.length; ) {
      // Text ends any sequence but a string; whole, because a character may have two halves here.
      if (state !== 'string' && text.charCodeAt(i) > 0x9f) state = 'ground'
      if (state === 'ground') i = ground(text, i)
      else step(text.charCodeAt(i), text[i++]!)
    }
  }

  function ground(text: string, from: number): number {
    CONTROL.lastIndex = from
    const at = CONTROL.exec(text)?.index ?? text.length
    if (at > from) sink.text(text.slice(from, at))
    if (at < text.length) control(text.charCodeAt(at))
    return at + 1
  }

  function control(code: number): void {
    if (code === 0x1b) {
      state = 'escape'
      collected = ''
    } else sink.control(code)
  }

  function step(code: number, character: string): void {
    if (state === 'string' || state === 'string-escape') string(code, character)
    else if (code === 0x1b) control(code)
    // CAN and SUB end any sequence; other controls inside of one are not worth the trouble that they can make.
    else if (code === 0x18 || code === 0x1a) state = 'ground'
    else if (code < 0x20 || code === 0x7f) return
    else if (code > 0x7f) state = 'ground'
    else if (state === 'escape') afterEscape(code, character)
    else csi(code, character)
  }

  function afterEscape(code: number, character: string): void {
    if (code < 0x30) {
      if (collected.length < MAX_SEQUENCE) collected += character
    } else if (collected === '' && character === '[') state = 'csi'
    else if (collected === '' && ']P_^X'.includes(character)) {
      state = 'string'
      stringLength = 0
    } else {
      state = 'ground'
      sink.escape(collected, character)
    }
  }

  function csi(code: number, character: string): void {
    if (code < 0x40) {
      if (collected.length < MAX_SEQUENCE) collected += character
      return
    }
    state = 'ground'
    const parts = collected.length < MAX_SEQUENCE ? CSI.exec(collected) : null
    if (parts !== null) sink.csi(parts[1]!, parts[2]!, parts[3]!, character)
  }

  function string(code: number, character: string): void {
    if (state === 'string-escape') {
      control(0x1b)
      if (character === '\\') state = 'ground'
      else step(code, character)
    } else if (code === 0x1b) state = 'string-escape'
    else if (code === 0x07 || code === 0x18 || code === 0x1a || code === 0x9c || ++stringLength >= MAX_STRING) {
      state = 'ground'
    }
  }

  return {
    push: bytes => parse(decoder.write(bytes)),
    end: () => parse(decoder.end()),
  }
}
