/** Cuts SQL into tokens as PostgreSQL's lexer does, far enough to know where literals begin and end. */

export type TokenKind = 'word' | 'string' | 'parameter' | 'symbol'

export interface Token {
  readonly kind: TokenKind
  readonly start: number
  readonly end: number
  /** Of a word, as it stands, without quotes; of a string, what is between its quotes, as it stands; of a symbol, itself. */
  readonly text: string
  /** A dollar-quoted string: its text is verbatim. */
  readonly dollar?: true
}

export interface Tokens {
  readonly tokens: readonly Token[]
  /** False when something does not end. */
  readonly certain: boolean
}

const SPACE = /\s+/y
const LINE_COMMENT = /--[^\n\r]*/y
const WORD = /[A-Za-z_\u0080-\u{10ffff}][\w$\u0080-\u{10ffff}]*/uy
const NUMBER = /\d[\w.]*/y
const PARAMETER = /\$\d+/y
const DOLLAR_TAG = /\$(?:[A-Za-z_\u0080-\u{10ffff}][\w\u0080-\u{10ffff}]*)?\$/uy

export function tokenize(sql: string, backslashQuotes: boolean): Tokens {
  const tokens: Token[] = []
  let certain = true
  let at = 0
  const skip = (pattern: RegExp): boolean => {
    pattern.lastIndex = at
    if (!pattern.test(sql)) return false
    at = pattern.lastIndex
    return true
  }
  const push = (kind: TokenKind, start: number, text: string) => tokens.push({ kind, start, end: at, text })
  /** A text in quotes that begins at `open`; a doubled quote stands for one. */
  const quoted = (kind: 'string' | 'word', start: number, open: number, escapes: boolean) => {
    const quote = sql[open]
    let i = open + 1
    for (; i < sql.length; i++) {
      if (sql[i] === '\\' && quote === "'" && escapes) i++
      else if (sql[i] === quote) {
        if (sql[i + 1] !== quote) break
        i++
      }
    }
    if (i >= sql.length) certain = false
    at = Math.min(i + 1, sql.length)
    push(kind, start, sql.slice(open + 1, Math.min(i, sql.length)))
  }

  while (at < sql.length) {
    const start = at
    const character = sql[at]
    if (skip(SPACE) || skip(LINE_COMMENT)) continue
    if (character === '/' && sql[at + 1] === '*') {
      const end = endOfComment(sql, at)
      if (end === undefined) certain = false
      at = end ?? sql.length
    } else if (character === "'") quoted('string', start, at, backslashQuotes)
    else if (character === '"') quoted('word', start, at, false)
    else if (/^[EeBbXxNn]'/.test(sql.slice(at, at + 2))) {
      quoted('string', start, at + 1, character === 'E' || character === 'e')
    } else if (/^[Uu]&['"]/.test(sql.slice(at, at + 3))) {
      quoted(sql[at + 2] === "'" ? 'string' : 'word', start, at + 2, false)
    } else if (skip(WORD)) push('word', start, sql.slice(start, at))
    else if (skip(NUMBER)) push('symbol', start, sql.slice(start, at))
    else if (skip(PARAMETER)) push('parameter', start, sql.slice(start, at))
    else if (skip(DOLLAR_TAG)) {
      const tag = sql.slice(start, at)
      const close = sql.indexOf(tag, at)
      if (close === -1) certain = false
      const text = sql.slice(at, close === -1 ? sql.length : close)
      at = close === -1 ? sql.length : close + tag.length
      tokens.push({ kind: 'string', start, end: at, text, dollar: true })
    } else {
      at++
      push('symbol', start, character!)
    }
  }
  return { tokens, certain }
}

/** Comments nest. Undefined when it does not end. */
function endOfComment(sql: string, from: number): number | undefined {
  const marks = /\/\*|\*\//g
  marks.lastIndex = from
  let depth = 0
  for (let match = marks.exec(sql); match !== null; match = marks.exec(sql)) {
    depth += match[0] === '/*' ? 1 : -1
    if (depth === 0) return marks.lastIndex
  }
  return undefined
}
