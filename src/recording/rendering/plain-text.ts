/** What a stream says, without anything that steers a terminal or hides in the text. */

import { createUnseenMarker } from '../../shared/text/unseen.ts'
import { createTerminalParser } from './escape-sequences.ts'

export interface PlainText {
  push(bytes: Buffer): string
}

export function createPlainText(): PlainText {
  let output = ''
  const marked = createUnseenMarker()
  const parser = createTerminalParser({
    text(text) {
      output += marked(text)
    },
    control(code) {
      if (code === 0x0a || code === 0x09) output += String.fromCharCode(code)
    },
    escape() {},
    csi() {},
  })
  return {
    push(bytes) {
      parser.push(bytes)
      const taken = output
      output = ''
      return taken
    },
  }
}
