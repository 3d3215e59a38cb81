/** A line that somebody types at a raw terminal: what to show of it, and when it is whole. Pure. */

import { StringDecoder } from 'node:string_decoder'
import { widthOf } from '../../../shared/text/width.ts'

const MOST_LINE = 500

export type Typed =
  | { readonly is: 'typing'; readonly echo: string }
  | { readonly is: 'line'; readonly echo: string; readonly line: string }
  /** Ctrl-C, or Ctrl-D on an empty line. */
  | { readonly is: 'given-up' }

export class TypedLine {
  readonly #decoder = new StringDecoder('utf8')
  #line: string[] = []
  /** Within an escape sequence, which types nothing. */
  #escape: 'none' | 'begun' | 'parameters' = 'none'

  /** What follows a line end is thrown away. */
  push(bytes: Buffer): Typed {
    let echo = ''
    for (const character of this.#decoder.write(bytes)) {
      if (this.#escapes(character)) continue
      switch (character) {
        case '\x03':
          return { is: 'given-up' }
        case '\x04':
          if (this.#line.length === 0) return { is: 'given-up' }
          break
        case '\r':
        case '\n':
          return { is: 'line', echo, line: this.#line.join('').trim() }
        case '\b':
        case '\x7f':
          echo += erased(this.#line.splice(-1))
          break
        case '\x15':
          echo += erased(this.#line.splice(0))
          break
        default:
          echo += this.#typed(character)
      }
    }
    return { is: 'typing', echo }
  }

  #typed(character: string): string {
    if (!/[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(character) || this.#line.length >= MOST_LINE) return ''
    this.#line.push(character)
    return character
  }

  /** `ESC [ … letter`, as arrow keys send it, and `ESC letter`. */
  #escapes(character: string): boolean {
    if (character === '\x03') this.#escape = 'none'
    if (this.#escape === 'none') {
      if (character !== '\x1b') return false
      this.#escape = 'begun'
    } else if (this.#escape === 'begun') this.#escape = character === '[' || character === 'O' ? 'parameters' : 'none'
    else if (/[@-~]/.test(character)) this.#escape = 'none'
    return true
  }
}

function erased(characters: readonly string[]): string {
  return '\b \b'.repeat(widthOf(characters.join('')))
}
