/** Takes the secrets out of a statement before it is recorded: passwords of roles, connection strings, keys of pgcrypto, and the like. */

import { type Token, tokenize } from './sql-tokens.ts'

export interface Redacted {
  readonly text: string
  /** True when something was taken out, or a bind value of the statement is a secret: then no bind value may be shown. */
  readonly redacted: boolean
}

const SHOWN = "'[redacted]'"
const SHOWN_TO_THE_END = "'[redacted from here on]'"

/** A statement without any of these has no secret that could be known by its place; nearly all end here. */
const MENTIONS =
  /pass(?:word|wd|phrase|file)|pwd|secret|token|credential|api_?key|access_?key|private_?key|crypt|hmac|:\/\/[^\s:/@]*:[^\s@]*@|u&"/i
const SECRET_WORD =
  /^(?:.*_)?(?:password|passwd|passphrase|passfile|pwd|secret|token|credentials?|api_?key|access_?key|secret_?key|private_?key)(?:_?(?:hash|value|text|enc|encrypted|id|key))?$/i
/** Functions (pgcrypto) whose arguments are secrets. */
const SECRET_FUNCTION = /^(?:crypt|hmac|(?:en|de)crypt(?:_iv)?|pgp_(?:sym|pub)_(?:en|de)crypt(?:_bytea)?)$/i
/** What stands between the name of a secret and its value. */
const BETWEEN = /^(?:[=<>!:~]|to|in|like|ilike|is)$/i
/** In a literal: a connection string, SQL or JSON that holds a secret. */
const SECRET_INSIDE =
  /(?:pass(?:word|wd|phrase)|pwd|secret|token|(?:api|access|secret|private)_?key)["\\]*\s*(?:=|:|'|"|to\s|e')|:\/\/[^\s:/@]*:[^\s@]*@/i
/** A template into which a secret is put from another literal. */
const TEMPLATE = /pass(?:word|wd|phrase)\s*(?:=|:)?\s*(?:%|'*\s*$)/i

/** `backslashQuotes`: the session has `standard_conforming_strings` off. */
export function redactStatement(sql: string, backslashQuotes: boolean): Redacted {
  if (!MENTIONS.test(sql)) return { text: sql, redacted: false }
  const { tokens, certain } = tokenize(sql, backslashQuotes)
  const found = new Map(statementsOf(tokens).flatMap(statement => [...findSecrets(statement, backslashQuotes)]))
  if (found.size === 0) return { text: sql, redacted: false }
  if (!certain) {
    // Where a literal ends cannot be told for sure: everything from the first one on is taken out.
    const first = tokens.find(token => token.kind === 'string')
    return { text: first === undefined ? sql : sql.slice(0, first.start) + SHOWN_TO_THE_END, redacted: true }
  }
  let text = ''
  let at = 0
  for (const [token, shown] of [...found].sort(([a], [b]) => a.start - b.start)) {
    if (token.kind !== 'string') continue
    text += sql.slice(at, token.start) + shown
    at = token.end
  }
  return { text: text + sql.slice(at), redacted: true }
}

/** A secret of one statement is no reason to take anything out of the next. */
function statementsOf(tokens: readonly Token[]): Token[][] {
  const statements: Token[][] = [[]]
  for (const token of tokens) {
    statements.at(-1)!.push(token)
    if (token.kind === 'symbol' && token.text === ';') statements.push([])
  }
  return statements
}

/** The literals and parameters that are secrets, each with what is shown in its place. */
function findSecrets(tokens: readonly Token[], backslashQuotes: boolean): Map<Token, string> {
  const found = new Map<Token, string>()
  const take = (from: number, to: number) => {
    for (const token of tokens.slice(Math.max(0, from), to)) {
      if (token.kind === 'string' || token.kind === 'parameter') found.set(token, SHOWN)
    }
  }
  const inserts = tokens.some(token => token.kind === 'word' && /^(?:insert|merge)$/i.test(token.text))
  const updates = tokens.some(token => token.kind === 'word' && /^update$/i.test(token.text))
  for (const [i, token] of tokens.entries()) {
    if (token.kind === 'string') {
      if (TEMPLATE.test(token.text) && !token.dollar) take(0, tokens.length)
      else if (!found.has(token)) takeInside(token, isCode(tokens, i), found, backslashQuotes)
    } else if (token.kind === 'word' && SECRET_FUNCTION.test(token.text) && tokens[i + 1]?.text === '(') {
      take(i + 2, endOfValue(tokens, i + 1))
    } else if (token.kind === 'word' && SECRET_WORD.test(token.text.slice(token.text.lastIndexOf('.') + 1))) {
      // `'…' = password`, and the arguments of `verify_password(…)`.
      if (BETWEEN.test(tokens[i - 1]?.text ?? '')) take(i - 2, i)
      if (tokens[i + 1]?.text === '(') take(i + 2, endOfValue(tokens, i + 1))
      const from = startOfValue(tokens, i + 1)
      if (from !== undefined) take(from, endOfValue(tokens, from))
      // Which of the values belongs to the column is not worked out: all are taken out.
      else if (inserts || (updates && isOneOfList(tokens, i))) take(0, tokens.length)
    } else if (token.kind === 'word' && /^set_config$/i.test(token.text)) {
      const name = tokens[i + 2]
      if (name?.kind === 'string' && SECRET_WORD.test(name.text.slice(name.text.lastIndexOf('.') + 1))) {
        take(i + 3, endOfValue(tokens, i + 1))
      }
    }
  }
  return found
}

/** `set (name, password) = (…)` */
function isOneOfList(tokens: readonly Token[], at: number): boolean {
  return /^[(,]$/.test(tokens[at - 1]?.text ?? '') && /^[),]$/.test(tokens[at + 1]?.text ?? '')
}

/** The body of a DO, a function or a procedure. */
function isCode(tokens: readonly Token[], at: number): boolean {
  const before = tokens[at - 1]
  return before?.kind === 'word' && (/^(?:do|as)$/i.test(before.text) || /^do$/i.test(tokens[0]!.text))
}

/** Code, and what stands in dollar quotes, is redacted as SQL of its own; any other literal that holds a secret goes as a whole. */
function takeInside(token: Token, isCode: boolean, found: Map<Token, string>, backslashQuotes: boolean): void {
  if (token.dollar || isCode) {
    const inner = redactStatement(token.dollar ? token.text : token.text.replaceAll("''", "'"), backslashQuotes)
    if (inner.redacted) found.set(token, `$redacted$${inner.text.replaceAll('$redacted$', '')}$redacted$`)
  } else if (SECRET_INSIDE.test(token.text)) found.set(token, SHOWN)
}

/** Where the value after a secret's name begins; undefined when none follows. */
function startOfValue(tokens: readonly Token[], after: number): number | undefined {
  let at = after
  while (tokens[at] !== undefined && tokens[at]!.kind !== 'string' && BETWEEN.test(tokens[at]!.text)) at++
  const next = tokens[at]
  if (next === undefined) return undefined
  if (next.kind === 'string' || next.kind === 'parameter') return at
  return at > after ? at : undefined
}

/** The value ends at a comma, a semicolon or a closing parenthesis of its own depth, or at a word after something complete. */
function endOfValue(tokens: readonly Token[], from: number): number {
  let depth = 0
  for (let i = from; i < tokens.length; i++) {
    const { kind, text } = tokens[i]!
    if (kind === 'symbol') {
      if (text === '(') depth++
      else if (text === ')') depth--
      if (depth < 0 || (depth === 0 && (text === ',' || text === ';'))) return i
    } else if (kind === 'word' && depth === 0 && i > from) {
      const before = tokens[i - 1]!
      if (before.kind !== 'symbol' || before.text === ')') return i
    }
  }
  return tokens.length
}
