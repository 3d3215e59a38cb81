/** Reads what SQL itself gives names to (PREPARE, DECLARE): the protocol can execute that too, under those names. */

import { MOST_NAME_BYTES } from '../../wire/message-body.ts'
import { difference, type Token, tokenize } from './tokens.ts'

export interface NamedBySql {
  readonly kind: 'statement' | 'cursor'
  readonly name: string
  /** What it stands for. */
  readonly text: string
}

/**
 * What is named in `sql`, in the order of its statements. Undefined where that cannot be told for sure: the server has rules of
 * its own for white space, letters and escapes beyond ASCII, and may have heard of another `standard_conforming_strings` by then.
 */
export function namedBy(sql: string, backslashQuotes: boolean): NamedBySql[] | undefined {
  const { tokens: all, certain } = tokenize(sql, backslashQuotes)
  if (!certain || difference(sql, all, backslashQuotes) < sql.length) return undefined
  const tokens = all.filter(({ kind }) => kind !== 'comment')
  const named: NamedBySql[] = []
  let first = 0
  for (let i = 0; i <= tokens.length; i++) {
    if (i < tokens.length && !(tokens[i]!.kind === 'symbol' && tokens[i]!.text === ';')) continue
    const found = readOne(sql, tokens.slice(first, i))
    if (found === 'unreadable') return undefined
    if (found !== undefined) named.push(found)
    first = i + 1
  }
  return named
}

/** `PREPARE name [ (type, …) ] AS statement`, `DECLARE name … CURSOR … FOR query` */
function readOne(sql: string, tokens: readonly Token[]): NamedBySql | 'unreadable' | undefined {
  const isWord = (token: Token | undefined, word: string) =>
    token?.kind === 'word' && token.quoted === undefined && token.text.toLowerCase() === word
  const after = (word: string): Token | undefined => {
    const at = tokens.findIndex((token, i) => i > 1 && isWord(token, word))
    return at === -1 ? undefined : tokens[at + 1]
  }
  const [keyword, name] = tokens
  const kind = isWord(keyword, 'prepare') ? 'statement' : isWord(keyword, 'declare') ? 'cursor' : undefined
  if (kind === undefined || keyword === undefined) return undefined
  const begin = after(kind === 'statement' ? 'as' : 'for')
  // PREPARE TRANSACTION names no statement.
  if (begin === undefined) return isWord(name, 'transaction') ? undefined : 'unreadable'
  const plain = /^[\t-~]*$/.test(sql.slice(keyword.start, begin.start))
  if (name?.kind !== 'word' || !plain || /^u&/i.test(sql.slice(name.start, name.start + 2))) return 'unreadable'
  return { kind, name: nameOf(name), text: sql.slice(begin.start, tokens.at(-1)!.end) }
}

/** As the server keeps it: folded where it is not quoted, and cut. */
function nameOf({ text, quoted }: Token): string {
  const name = quoted === undefined ? text.toLowerCase() : text
  return name.slice(0, MOST_NAME_BYTES)
}
