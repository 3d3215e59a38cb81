/** Reads a command line as a shell would, without running anything: words, quotes, backslashes. */

import { EXIT } from '../shared/exit-codes.ts'
import { CommandError } from './command.ts'

/** Longer is no command of ours. */
const MOST_BYTES = 8 * 1024
const BLANK = /\s/

/** Throws CommandError where a quote is open at the end. `$` and the like stand for themselves. */
export function wordsOf(line: string): string[] {
  if (Buffer.byteLength(line) > MOST_BYTES) throw new CommandError(EXIT.usage, 'The command is too long.')
  const words: string[] = []
  let word: string | undefined
  let quote = ''
  for (let at = 0; at < line.length; at++) {
    const character = line[at]!
    if (quote === '' && BLANK.test(character)) {
      if (word !== undefined) words.push(word)
      word = undefined
      continue
    }
    word ??= ''
    if (character === quote) quote = ''
    else if (quote === '' && (character === '"' || character === "'")) quote = character
    else if (character === '\\' && quote !== "'" && at + 1 < line.length) word += line[++at]
    else word += character
  }
  if (quote !== '') throw new CommandError(EXIT.usage, `A ${quote} is not closed.`)
  if (word !== undefined) words.push(word)
  return words
}
