/** Reads the options of `sudo` as its own parser does: several in one word, values in the same word or the next, variables in between. */

import type { ShellWord } from './shell-words.ts'

export interface SudoOptions {
  /** The password is read from standard input (-S). */
  readonly fromStdin: boolean
  /** It fails rather than to ask (-n). */
  readonly neverAsks: boolean
  /** Without a command it is a shell that it starts (-i, -s). */
  readonly shell: boolean
  /** What stands behind are files for an editor, and no command (-e). */
  readonly edits: boolean
  /** How many words they are. */
  readonly words: number
}

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*=/
const WITH_VALUE = 'CDRTUacghprtu'
const LONG_WITH_VALUE = [
  ...['--auth-type', '--chdir', '--chroot', '--close-from', '--command-timeout', '--group', '--host', '--login-class'],
  ...['--other-user', '--prompt', '--role', '--type', '--user'],
]
/** `words`: what stands behind `sudo`. */
export function sudoOptionsOf(words: readonly ShellWord[]): SudoOptions {
  let fromStdin = false
  let neverAsks = false
  let shell = false
  let edits = false
  let at = 0
  for (; at < words.length; at++) {
    const word = words[at]!.text
    if (VARIABLE.test(word)) continue
    if (!/^-./.test(word)) break
    if (word === '--') {
      at++
      break
    }
    if (word.startsWith('--')) {
      // The beginning of a name will do.
      if (word.length > 3 && '--stdin'.startsWith(word)) fromStdin = true
      else if ('--non-interactive'.startsWith(word)) neverAsks = true
      else if (word === '--login' || '--shell'.startsWith(word)) shell = true
      else if ('--edit'.startsWith(word)) edits = true
      else if (LONG_WITH_VALUE.some(name => name.startsWith(word))) at++
    } else {
      const valueAt = [...word].findIndex((letter, i) => i > 0 && WITH_VALUE.includes(letter))
      const letters = valueAt === -1 ? word : word.slice(0, valueAt)
      if (letters.includes('S')) fromStdin = true
      if (letters.includes('n')) neverAsks = true
      if (/[is]/.test(letters)) shell = true
      if (letters.includes('e')) edits = true
      if (valueAt === word.length - 1) at++
    }
  }
  return { fromStdin, neverAsks, shell, edits, words: Math.min(at, words.length) }
}
