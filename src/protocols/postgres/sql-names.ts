/** Reads what SQL itself gives names to (PREPARE, DECLARE): the protocol can execute that too, under those names. */

import { type Token, tokenize } from './sql-tokens.ts'

export interface NamedBySql {
  readonly kind: 'statement' | 'cursor'
  readonly name: string
  /** What it stands for. */
  readonly text: string
}

/** In the order of the statements in `sql`; none where it cannot be told for sure how it is to be read. */
export function namedBy(sql: string, backslashQuotes: boolean): NamedBySql[] {
  if (!/prepare|declare/i.test(sql)) return []
  const { tokens, certain } = tokenize(sql, backslashQuotes)
  if (!certain) return []
  const named: NamedBySql[] = []
  let first = 0
  for (let i = 0; i <= tokens.length; i++) {
    if (i < tokens.length && !(tokens[i]!.kind === 'symbol' && tokens[i]!.text === ';')) continue
    const found = readOne(sql, tokens.slice(first, i))
    if (found !== undefined) named.push(found)
    first = i + 1
  }
  return named
}

/** `PREPARE name [ (type, …) ] AS statement`, `DECLARE name … CURSOR … FOR query` */
function readOne(sql: string, tokens: readonly Token[]): NamedBySql | undefined {
  const isWord = (token: Token | undefined, word: string) =>
    token?.kind === 'word' && sql[token.start] !== '"' && token.text.toLowerCase() === word
  const after = (word: string) => tokens[tokens.findIndex((token, i) => i > 1 && isWord(token, word)) + 1]
  const kind = isWord(tokens[0], 'prepare') ? 'statement' : isWord(tokens[0], 'declare') ? 'cursor' : undefined
  const name = tokens[1]
  if (kind === undefined || name?.kind !== 'word') return undefined
  const begin = after(kind === 'statement' ? 'as' : 'for')
  if (begin === undefined || begin === tokens[0]) return undefined
  return { kind, name: nameOf(sql, name), text: sql.slice(begin.start, tokens.at(-1)!.end) }
}

/** As the server keeps it: folded where it is not quoted. */
function nameOf(sql: string, { start, text }: Token): string {
  return sql[start] === '"' ? text.replaceAll('""', '"') : text.toLowerCase()
}
