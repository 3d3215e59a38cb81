/** PostgreSQL's own scanner (libpg-query, in WebAssembly), asked whether our reading of a statement is its reading. */

import { loadModule, scanSync } from 'libpg-query'
import type { Token } from './tokens.ts'

await loadModule()

/** It takes milliseconds for what is longer. */
const LONGEST_TEXT = 16 * 1024
/** What holds no secret on its own: comments are told too. */
const STRINGS = /^(?:SCONST|BCONST|XCONST|USCONST)$/

/** Whether it finds literals, names in quotes and comments at the same places. It reads as with standard_conforming_strings on. */
export function asPostgresReads(sql: string, tokens: readonly Token[]): 'the same' | 'otherwise' | 'not asked' {
  if (sql.length > LONGEST_TEXT) return 'not asked'
  const asked = withoutCommentsInStrings(sql, tokens)
  let theirs: string
  try {
    theirs = scanSync(asked)
      .tokens.filter(({ text, tokenName }) => STRINGS.test(tokenName) || isQuoted(text))
      .map(({ start, end }) => `${start}-${end}`)
      .join()
  } catch {
    return 'otherwise'
  }
  const ours = tokens
    .filter(({ kind, quoted }) => kind === 'string' || kind === 'comment' || quoted !== undefined)
    // The N of a national literal is a token of its own there.
    .map(({ start, end }) => ({ start: /^n'/i.test(sql.slice(start, start + 2)) ? start + 1 : start, end }))
  const ranges = (isAscii(asked) ? ours : inBytes(asked, ours)).map(({ start, end }) => `${start}-${end}`).join()
  return theirs === ranges ? 'the same' : 'otherwise'
}

/** It takes a literal to end at a comment, also where it goes on behind that (which PostgreSQL itself does not). */
function withoutCommentsInStrings(sql: string, tokens: readonly Token[]): string {
  let text = ''
  let at = 0
  for (const [start, end] of tokens.flatMap(({ gaps = [] }) => gaps)) {
    text += sql.slice(at, start) + sql.slice(start, end).replace(/[^\n\r]/g, ' ')
    at = end
  }
  return text + sql.slice(at)
}

/** How tokens begin whose kind it does not name. */
function isQuoted(text: string): boolean {
  return /^(?:"|[Uu]&['"]|[BbXx]'|--|\/\*|\$(?!\d))/.test(text)
}

const isAscii = (sql: string): boolean => /^[\0-\x7f]*$/.test(sql)

type Range = Pick<Token, 'start' | 'end'>

/** It counts in bytes of UTF-8. */
function inBytes(sql: string, ranges: readonly Range[]): Range[] {
  let at = 0
  let bytes = 0
  const byteOf = (index: number): number => {
    bytes += Buffer.byteLength(sql.slice(at, index))
    at = index
    return bytes
  }
  return ranges.map(({ start, end }) => ({ start: byteOf(start), end: byteOf(end) }))
}
