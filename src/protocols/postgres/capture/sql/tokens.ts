/**
 * Cuts SQL into tokens as PostgreSQL's scanner does (src/backend/parser/scan.l), far enough to know where literals, names and comments
 * begin and end. That both agree is tried against a real server (test: sql-is-read-as-postgres-reads-it).
 */

export type TokenKind = 'word' | 'string' | 'parameter' | 'number' | 'symbol' | 'comment'

export interface Token {
  readonly kind: TokenKind
  readonly start: number
  readonly end: number
  /**
   * Of a string, what is in it: its parts together and its escapes resolved; of a word in double quotes, the name; of all others, what
   * stands there.
   */
  readonly text: string
  /** A string in dollar quotes, or a word in double quotes. */
  readonly quoted?: '$' | '"'
  /** Of a string that goes on in another line: what stands between its parts. */
  readonly gaps?: readonly (readonly [start: number, end: number])[]
}

export interface Tokens {
  readonly tokens: readonly Token[]
  /** False when something does not end. */
  readonly certain: boolean
}

const SPACE = /[ \t\n\r\f\v]+/y
const LINE_COMMENT = /--[^\n\r]*/y
const WORD = /[A-Za-z_\u0080-\u{10ffff}][\w$\u0080-\u{10ffff}]*/uy
const NUMBER = /0[xX][\da-fA-F_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d+)?/y
const PARAMETER = /\$\d+/y
const DOLLAR_TAG = /\$(?:[A-Za-z_\u0080-\u{10ffff}][\w\u0080-\u{10ffff}]*)?\$/uy
const QUOTED = /[EeBbXxNn]?'|[Uu]&['"]|"/y
/** A literal goes on, in the same way of quoting, in the next line; comments up to the end of a line may stand between. */
const SAME_LINE = /(?:[ \t\f\v]|--[^\n\r]*(?=[\n\r]))*[\n\r]/y
const NEXT_LINES = /(?:[ \t\n\r\f\v]|--[^\n\r]*[\n\r])*'/y

/** `backslashQuotes`: the session has `standard_conforming_strings` off. */
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
  const push = (kind: TokenKind, start: number, text = sql.slice(start, at), quoted?: '$' | '"') => {
    tokens.push({ kind, start, end: at, text, ...(quoted === undefined ? {} : { quoted }) })
  }
  /** What is between the quotes, the first of which is behind us; a doubled quote stands for one. */
  const inQuotes = (quote: string, escapes: boolean): string => {
    const begin = at
    for (; at < sql.length; at++) {
      if (escapes && sql[at] === '\\') at++
      else if (sql[at] === quote) {
        if (sql[at + 1] !== quote) {
          at++
          return sql.slice(begin, at - 1).replaceAll(quote + quote, quote)
        }
        at++
      }
    }
    certain = false
    at = sql.length
    return sql.slice(begin)
  }
  const goesOn = (): boolean => {
    const end = at
    if (skip(SAME_LINE) && skip(NEXT_LINES)) return true
    at = end
    return false
  }
  const quoted = (start: number) => {
    const opening = sql.slice(start, at)
    const prefix = opening.slice(0, -1).toLowerCase()
    if (opening.endsWith('"')) {
      const name = inQuotes('"', false)
      push('word', start, prefix === '' ? name : unescapeUnicode(name), '"')
      return
    }
    const escapes = prefix === 'e' || (backslashQuotes && (prefix === '' || prefix === 'n'))
    let text = inQuotes("'", escapes)
    const gaps: [number, number][] = []
    for (let end = at; certain && goesOn(); end = at) {
      gaps.push([end, at - 1])
      text += inQuotes("'", escapes)
    }
    if (escapes) text = unescapeString(text)
    else if (prefix === 'u&') text = unescapeUnicode(text)
    tokens.push({ kind: 'string', start, end: at, text, ...(gaps.length > 0 ? { gaps } : {}) })
  }

  while (at < sql.length) {
    const start = at
    if (skip(SPACE)) continue
    if (skip(LINE_COMMENT)) push('comment', start)
    else if (sql.startsWith('/*', at)) {
      const end = endOfComment(sql, at)
      if (end === undefined) certain = false
      at = end ?? sql.length
      push('comment', start)
    } else if (skip(QUOTED)) quoted(start)
    else if (skip(WORD)) push('word', start)
    else if (skip(NUMBER)) push('number', start)
    else if (skip(PARAMETER)) push('parameter', start)
    else if (skip(DOLLAR_TAG)) {
      const tag = sql.slice(start, at)
      const begin = at
      const close = sql.indexOf(tag, at)
      if (close === -1) certain = false
      at = close === -1 ? sql.length : close + tag.length
      push('string', start, sql.slice(begin, close === -1 ? sql.length : close), '$')
    } else {
      at++
      push('symbol', start)
    }
  }
  return { tokens, certain }
}

/** Where the two ways to read a backslash begin to differ. */
export function difference(sql: string, tokens: readonly Token[], backslashQuotes: boolean): number {
  if (!sql.includes('\\')) return sql.length
  const other = tokenize(sql, !backslashQuotes).tokens
  const differs = ({ start, end }: Token, i: number) => other[i]?.start !== start || other[i]?.end !== end
  return tokens.find(differs)?.start ?? (tokens.length === other.length ? sql.length : 0)
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

const ESCAPE = /\\(?:([0-7]{1,3})|x([\da-fA-F]{1,2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([\s\S]))/g
const LETTERS: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }

function unescapeString(text: string): string {
  return text.replace(ESCAPE, (_, octal, byte, short, long, other: string) => {
    if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8) & 0xff)
    const hex: string | undefined = byte ?? short ?? long
    return hex === undefined ? (LETTERS[other] ?? other) : characterOf(hex)
  })
}

/** With the usual escape character; another one (UESCAPE) is for the caller to see. */
function unescapeUnicode(text: string): string {
  return text.replace(/\\(?:\+([\da-fA-F]{6})|([\da-fA-F]{4})|(\\))/g, (_, long, short, backslash) =>
    backslash === undefined ? characterOf(long ?? short) : backslash,
  )
}

function characterOf(hex: string): string {
  const code = Number.parseInt(hex, 16)
  return code > 0x10ffff ? '\ufffd' : String.fromCodePoint(code)
}
