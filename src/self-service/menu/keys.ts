/** What is typed, as keys: from the bytes of a terminal, in whatever pieces they come. */

import { StringDecoder } from 'node:string_decoder'

export type Key = { readonly kind: 'text'; readonly text: string } | { readonly kind: NamedKey }

export type NamedKey =
  | 'enter'
  | 'backspace'
  | 'erase-line'
  | 'erase-word'
  | 'up'
  | 'down'
  | 'page-up'
  | 'page-down'
  | 'first'
  | 'last'
  | 'escape'
  | 'interrupt'
  | 'end-of-input'
  | 'favourite'
  | 'check-out'
  | 'refresh'

const CONTROLS: Readonly<Record<string, NamedKey>> = {
  '\x03': 'interrupt',
  '\x04': 'end-of-input',
  '\x06': 'favourite',
  '\x08': 'backspace',
  '\x7f': 'backspace',
  '\x0c': 'refresh',
  '\x0e': 'down',
  '\x0f': 'check-out',
  '\x10': 'up',
  '\x15': 'erase-line',
  '\x17': 'erase-word',
}

/** By what stands between ESC and the end, as xterm, the Linux console and rxvt send them. */
const SEQUENCES: Readonly<Record<string, NamedKey>> = {
  '[A': 'up',
  OA: 'up',
  '[B': 'down',
  OB: 'down',
  '[5~': 'page-up',
  '[6~': 'page-down',
  '[H': 'first',
  OH: 'first',
  '[1~': 'first',
  '[7~': 'first',
  '[F': 'last',
  OF: 'last',
  '[4~': 'last',
  '[8~': 'last',
}

/** CSI or SS3 (ECMA-48 §5.4), whole; or the beginning of one. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: keys begin with them
const SEQUENCE = /^\x1b(\[[0-?]*[ -/]*[@-~]|O[@-~])/
// biome-ignore lint/suspicious/noControlCharactersInRegex: keys begin with them
const BEGINNING = /^\x1b(\[[0-?]{0,16}[ -/]{0,4}|O)?$/
const PASTE_BEGINS = '\x1b[200~'
const PASTE_ENDS = '\x1b[201~'
/** A run of text, up to the next key that is none. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they end it
const TEXT = /^[^\x00-\x1f\x7f]+/

export interface KeyReader {
  push(bytes: Buffer): Key[]
  /** Whether an ESC waits for what may follow it: if nothing does, it was the key. */
  readonly waiting: boolean
  /** Nothing followed. */
  flush(): Key[]
}

/**
 * A line end is Enter only where nothing comes behind it: in what is pasted, or comes in one piece with more, it is a blank, so that no
 * pasted line is run by accident.
 */
export function createKeyReader(): KeyReader {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  let pasting = false

  function next(): Key | undefined {
    if (pasting) return pasted()
    if (rest.startsWith(PASTE_BEGINS)) {
      rest = rest.slice(PASTE_BEGINS.length)
      pasting = true
      return pasted()
    }
    const [text] = TEXT.exec(rest) ?? []
    if (text !== undefined) return take(text.length, { kind: 'text', text })
    const lineEnd = /^(\r\n|\r|\n)/.exec(rest)
    if (lineEnd !== null) {
      const { length } = lineEnd[0]
      return take(length, rest.length > length ? { kind: 'text', text: ' ' } : { kind: 'enter' })
    }
    const sequence = SEQUENCE.exec(rest)
    if (sequence !== null) {
      const kind = SEQUENCES[sequence[1]!]
      return take(sequence[0].length, kind && { kind })
    }
    const character = rest[0]!
    const kind = character === '\x1b' ? 'escape' : CONTROLS[character]
    return take(1, kind && { kind })
  }

  function pasted(): Key | undefined {
    const end = rest.indexOf(PASTE_ENDS)
    // The end may come in pieces.
    const kept = end === -1 ? partAtEnd(rest, PASTE_ENDS) : 0
    const text = rest.slice(0, end === -1 ? rest.length - kept : end)
    rest = end === -1 ? rest.slice(rest.length - kept) : rest.slice(end + PASTE_ENDS.length)
    pasting = end === -1
    return text === '' ? undefined : { kind: 'text', text }
  }

  function take(length: number, key: Key | undefined): Key | undefined {
    rest = rest.slice(length)
    return key
  }

  function drain(whole: boolean): Key[] {
    const keys: Key[] = []
    while (rest !== '' && (whole || !mayGoOn())) {
      const before = rest
      const key = next()
      if (key !== undefined) keys.push(key)
      if (pasting && rest === before) break
    }
    return keys
  }

  function mayGoOn(): boolean {
    return pasting ? PASTE_ENDS.startsWith(rest) : BEGINNING.test(rest)
  }

  return {
    push(bytes) {
      rest += decoder.write(bytes)
      return drain(false)
    },
    get waiting() {
      return !pasting && rest !== ''
    },
    flush: () => drain(!pasting),
  }
}

/** How much of the end of `text` is a beginning of `mark`. */
function partAtEnd(text: string, mark: string): number {
  for (let length = Math.min(mark.length - 1, text.length); length > 0; length--) {
    if (text.endsWith(mark.slice(0, length))) return length
  }
  return 0
}
