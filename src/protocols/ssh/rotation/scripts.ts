/**
 * Shell programs that run at a target and tell how far they are. Each is a command for whatever shell the account has, and nothing secret is
 * in it. The words that it tells do not stand in it: a program that shows its own command tells nothing.
 */

import { randomBytes } from 'node:crypto'
import type { Finding } from './conversation.ts'

/** Where programs of administrators are, before what the account has. */
const PATH = '/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin'

/** So many bytes of what a program says go into a variable of the shell: who decides what it says would decide how much memory it takes. */
export const MOST_SUBSTITUTED = 4096

export interface Script<Word extends string> {
  readonly command: string
  /** What it tells first in this text. */
  told(text: string): Finding<Word> | undefined
  /** A word as it tells it. */
  as(word: Word): string
  /** Without what the script itself says. */
  withoutTold(text: string): string
}

/**
 * `main` has `say WORD`, which tells on standard error, and may have `prompt(WORD)` asked by another program; `more` is its argument `$1`, and
 * begins with the same. There are no single quotes and no exclamation marks in either: shells of all kinds read them alike then.
 */
export function createScript<Word extends string>(
  words: readonly Word[],
  main: (prompt: (word: Word) => string) => string,
  more = '',
): Script<Word> {
  const [one, two] = [randomBytes(8).toString('hex'), randomBytes(8).toString('hex')]
  const mark = `${one}${two}`
  const begin =
    `LC_ALL=C; PATH=${PATH}:$PATH; export LC_ALL PATH; ` + `say() { printf "%s%s:%s:\\n" ${one} ${two} "$1" >&2; }; `
  const program = main(word => `"${one}""${two}:${word}?"`)
  const telling = new RegExp(`${mark}:([a-z-]+)(?:\\?|:\\r?\\n)`, 'g')
  return {
    command: `exec /bin/sh -c '${begin}${program}'${more === '' ? '' : ` sh '${begin}${more}'`}`,
    told(text) {
      for (const { 0: whole, 1: told, index } of text.matchAll(telling)) {
        const found = words.find(word => word === told)
        if (found !== undefined) return { found, end: index + whole.length }
      }
      return undefined
    },
    as: word => `${mark}:${word}:\n`,
    withoutTold: text => text.replace(telling, ''),
  }
}
