/** What of a statement a recording shows: its secrets are taken out where they are known for sure, else its literals are hidden. */

import { findSecrets, type LiteralLocation } from './find-secrets.ts'
import { HIDDEN, hideLiterals } from './hide-literals.ts'
import type { Outcome } from './outcome.ts'
import { asPostgresReads } from './postgres-scanner.ts'
import { holdsSecret, MAY_HOLD_SECRET, mentionsSecret } from './secret-words.ts'
import { difference, type Token, tokenize } from './tokens.ts'

export interface Shown {
  readonly text: string
  /**
   * `all`: nothing is taken out. `redacted`: secrets were taken out for good, and a bind value may be one. `hidden`: literals are
   * hidden, and the whole belongs into the protected part of the recording, with bind values and messages.
   */
  readonly how: 'all' | 'redacted' | 'hidden'
}

export interface Reading {
  /** The session has `standard_conforming_strings` off. */
  readonly backslashQuotes: boolean
  /** The text is not the head of a longer one. */
  readonly whole: boolean
  /** Its bytes are surely these characters to the server. */
  readonly certain: boolean
}

const REDACTED = "'[redacted]'"
const DEEPEST_CODE = 4

export function showStatement(sql: string, reading: Reading, outcome: Outcome): Shown {
  const { backslashQuotes, whole, certain } = reading
  const all: Shown = { text: sql, how: 'all' }
  const hidden = (tokens: readonly Token[]): Shown => {
    const sureTo = certain
      ? sureUpTo(sql, tokens, backslashQuotes, whole && outcome === 'accepted')
      : firstBeyondAscii(sql, tokens)
    return { text: hideLiterals(sql, tokens, outcome, sureTo), how: 'hidden' }
  }
  if (outcome === 'misread' || !whole || !certain) {
    const shown = hidden(tokenize(sql, backslashQuotes).tokens)
    return shown.text === sql && !mentionsSecret(sql) ? all : shown
  }
  if (!MAY_HOLD_SECRET.test(sql)) return all
  const read = tokenize(sql, backslashQuotes)
  if (!tells(sql, read.tokens)) return all
  if (outcome !== 'accepted' || !read.certain || !isSure(sql, read.tokens, backslashQuotes)) return hidden(read.tokens)
  const text = takeOut(sql, read.tokens, 0)
  if (text === undefined) return hidden(read.tokens)
  if (text.hides) return { text: text.sql, how: 'hidden' }
  return text.sql === sql && !text.parameters ? all : { text: text.sql, how: 'redacted' }
}

/** Whether a word tells of a secret, as it stands or behind escapes, or a prepared statement is executed that may have one. */
function tells(sql: string, tokens: readonly Token[]): boolean {
  if (mentionsSecret(sql)) return true
  if (tokens.some(({ kind, text }) => (kind === 'string' || kind === 'word') && mentionsSecret(text))) return true
  // With an escape character of its own, the names in it are not known.
  if (tokens.some(({ kind, text }) => kind === 'word' && /^uescape$/i.test(text))) return true
  const executes = tokens.some(({ kind, text }) => kind === 'word' && text.toLowerCase() === 'execute')
  return executes && tokens.some(({ kind }) => kind === 'string' || kind === 'number')
}

/** Nothing in it that can be read in two ways: no escapes, comments, dollar quotes, prefixes, nothing beyond ASCII. */
const SIMPLE = /^[\t\n\r -~]*$/
const NOT_SIMPLE = /[\\"]|--|\/\*|\$(?!\d)|(?:^|[^\w$])(?:[ebxn]|u&)'|'\s{0,64}[\n\r]/i

/** Whether the server reads it so, whatever its setting of standard_conforming_strings was at that moment. */
function isSure(sql: string, tokens: readonly Token[], backslashQuotes: boolean): boolean {
  if (SIMPLE.test(sql) && !NOT_SIMPLE.test(sql)) return true
  return difference(sql, tokens, backslashQuotes) === sql.length && asPostgresReads(sql, tokens) === 'the same'
}

/** Where what the server reads may begin to differ from what is read here. */
function sureUpTo(sql: string, tokens: readonly Token[], backslashQuotes: boolean, accepted: boolean): number {
  const isOther = accepted && asPostgresReads(sql, tokens) === 'otherwise'
  const sure = difference(sql, tokens, backslashQuotes)
  return isOther && sure === sql.length ? 0 : sure
}

function firstBeyondAscii(sql: string, tokens: readonly Token[]): number {
  const at = sql.search(/[^\0-\x7f]/)
  return tokens.find(({ end }) => end > at)?.start ?? at
}

interface TakenOut {
  readonly sql: string
  /** A bind value is a secret. */
  readonly parameters: boolean
  /** A comment is hidden that may hold a secret. */
  readonly hides: boolean
}

/** Undefined where it is not clear which literals are secrets. */
function takeOut(sql: string, tokens: readonly Token[], depth: number): TakenOut | undefined {
  const locations: (LiteralLocation | { token: Token; kind: 'comment' })[] = []
  for (const statement of statementsOf(tokens)) {
    const found = findSecrets(statement)
    if (found.unclear) return undefined
    locations.push(...found.locations)
  }
  for (const token of tokens) {
    if (token.kind === 'comment' && mentionsSecret(token.text)) locations.push({ token, kind: 'comment' })
  }
  let text = ''
  let at = 0
  let parameters = false
  let hides = false
  for (const { token, kind } of locations.sort((a, b) => a.token.start - b.token.start)) {
    if (token.kind === 'parameter') {
      parameters = true
      continue
    }
    if (kind === 'comment') hides ||= !holdsSecret(token.text)
    const shown =
      kind === 'code' ? takeOutOfCode(sql, token, depth + 1) : kind === 'comment' ? comment(token) : REDACTED
    if (shown === undefined) return undefined
    text += sql.slice(at, token.start) + shown
    at = token.end
  }
  return { sql: text + sql.slice(at), parameters, hides }
}

/** Code is read as SQL of its own: what runs is shown. */
function takeOutOfCode(sql: string, token: Token, depth: number): string | undefined {
  const asItStands = sql.slice(token.start, token.end)
  const { tokens, certain } = tokenize(token.text, false)
  if (!tells(token.text, tokens)) return asItStands
  if (depth > DEEPEST_CODE || !certain || !isSure(token.text, tokens, false)) return undefined
  const inner = takeOut(token.text, tokens, depth)
  if (inner === undefined || inner.hides) return undefined
  if (inner.sql === token.text) return asItStands
  return `$redacted$${inner.sql.replaceAll('$redacted$', '')}$redacted$`
}

function comment({ text }: Token): string {
  const shown = holdsSecret(text) ? '[redacted]' : HIDDEN
  return text.startsWith('--') ? `-- ${shown}` : `/* ${shown} */`
}

/** A secret of one statement is no reason to take anything out of the next. */
function statementsOf(tokens: readonly Token[]): Token[][] {
  const statements: Token[][] = [[]]
  for (const token of tokens) {
    if (token.kind === 'comment') continue
    statements.at(-1)!.push(token)
    if (token.kind === 'symbol' && token.text === ';') statements.push([])
  }
  return statements
}
