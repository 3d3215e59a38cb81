/** Finds, in a statement that the server has accepted, the literals that are secrets: by the names beside them and by what is in them. */

import { holdsSecret, isSecretName, mentionsSecret, SECRET_FUNCTION, TEMPLATE } from './secret-words.ts'
import type { Token } from './tokens.ts'

export type LiteralLocation =
  | { readonly token: Token; readonly kind: 'secret' }
  /** Code, which is to be read as SQL of its own. */
  | { readonly token: Token; readonly kind: 'code' }

export interface Found {
  readonly locations: readonly LiteralLocation[]
  /** A secret is in it, but which literal it is was not worked out. */
  readonly unclear: boolean
}

/** What stands between the name of a secret and its value. */
const BETWEEN = /^(?:[=<>!:~]|to|in|like|ilike|is|as)$/i
/** A value is shorter; where none ends within, it is not clear which is one. */
const MOST_TOKENS_OF_VALUE = 256
/** How far behind the name of a column its default may stand. */
const MOST_TOKENS_TO_DEFAULT = 16

/** What goes on with a value that seemed complete. */
const GOES_ON = /^(?:collate|when|then|else|escape|uescape|operator|union|like|ilike|similar|is|not|at)$/i

/** `tokens`: those of one statement, without comments. */
export function findSecrets(tokens: readonly Token[]): Found {
  const locations = new Map<Token, LiteralLocation>()
  /** Names whose values are known, whether they are literals or not. */
  const explained = new Set<Token>()
  let unclear = false
  const first = tokens[0]?.text.toLowerCase() ?? ''
  const isDefinition = /^(?:create|alter)$/.test(first)
  // In SET a value may be a plain word.
  const sets = first === 'set' || (isDefinition && tokens.some(token => isWord(token, 'set')))

  const isDerived = derives(tokens)

  const take = (name: Token, from: number, to: number | undefined, words = false) => {
    if (to === undefined) unclear = true
    for (let i = Math.max(0, from); i < (to ?? from); i++) {
      const token = tokens[i]!
      const isLiteral = token.kind === 'string' || token.kind === 'parameter' || token.kind === 'number'
      if (isLiteral || (words && token.kind === 'word')) {
        locations.set(token, { token, kind: 'secret' })
        explained.add(name)
      }
    }
    if (to !== undefined && GOES_ON.test(tokens[to]?.text ?? '')) unclear = true
  }
  const takeNamed = (i: number) => {
    const name = tokens[i]!
    if (!isDerived && tokens[i - 1]?.text === '=' && isPlainName(tokens, i - 2)) explained.add(name)
    // `'…' = password`, `'…' as password`, and the arguments of `verify_password(…)`.
    if (BETWEEN.test(tokens[i - 1]?.text ?? '')) take(name, i - 2, i - 1)
    if (tokens[i + 1]?.text === '(') take(name, i + 2, endOfValue(tokens, i + 1))
    const from = startOfValue(tokens, i + 1)
    if (from !== undefined) {
      // What SET gives goes on behind a comma.
      const to = first === 'set' ? tokens.length : endOfValue(tokens, from)
      take(name, from, to, sets && name.quoted === undefined)
      if (tokens.slice(from, from + 2).some(token => isWord(token, 'case') || isWord(token, 'distinct'))) unclear = true
      if (!isDerived) explained.add(name)
    } else if (isOneOfList(tokens, i)) {
      const values = valuesOfList(tokens, i)
      if (values === undefined) unclear ||= tokens.some(token => token.kind === 'string' || token.kind === 'parameter')
      else {
        explained.add(name)
        for (const [begin, end] of values) take(name, begin, end)
      }
    }
    if (isDefinition) {
      for (let at = i + 1; at < i + MOST_TOKENS_TO_DEFAULT && at < tokens.length; at++) {
        if (/^[,;]$/.test(tokens[at]!.text)) break
        if (isWord(tokens[at]!, 'default')) take(name, at + 1, endOfValue(tokens, at + 1))
      }
    }
  }

  for (const [i, token] of tokens.entries()) {
    if (token.kind === 'string') {
      if (locations.has(token)) continue
      if (isBodyByGrammar(tokens, i)) locations.set(token, { token, kind: 'code' })
      else if (TEMPLATE.test(token.text)) unclear = true
      else if (token.quoted === '$' && holdsSecret(token.text)) locations.set(token, { token, kind: 'code' })
      else if (holdsSecret(token.text)) locations.set(token, { token, kind: 'secret' })
    } else if (token.kind !== 'word') continue
    else if (SECRET_FUNCTION.test(token.text) && tokens[i + 1]?.text === '(')
      take(token, i + 2, endOfValue(tokens, i + 1))
    else if (isSecretName(token.text)) takeNamed(i)
    else if (isWord(token, 'set_config')) {
      const name = tokens[i + 2]
      if (name?.kind === 'string' && isSecretName(name.text)) take(token, i + 3, endOfValue(tokens, i + 1))
    } else if (isWord(token, 'execute') && tokens[i - 1]?.text !== 'on') {
      // What its values are, the statement says that was prepared; where it runs a text, that may be put together.
      unclear ||= tokens.slice(i + 1).some(({ kind }) => kind === 'string' || kind === 'number')
    }
  }
  return { locations: [...locations.values()], unclear: unclear || isUnexplained(tokens, locations, explained) }
}

/** Whether a text is left of which nothing says that it is not the secret that a name or a literal tells of. */
function isUnexplained(
  tokens: readonly Token[],
  locations: ReadonlyMap<Token, LiteralLocation>,
  explained: ReadonlySet<Token>,
): boolean {
  const isLeft = (token: Token) => token.kind === 'string' && !locations.has(token)
  if (!tokens.some(isLeft)) return false
  return tokens.some((token, i) => {
    if (token.kind === 'string') return isLeft(token) && mentionsSecret(token.text)
    if (token.kind !== 'word') return false
    return isWord(token, 'uescape') || (mentionsSecret(token.text) && !explained.has(token) && !isOnlyAsked(tokens, i))
  })
}

/** Whether a name stands where no value belongs to it. */
function isOnlyAsked(tokens: readonly Token[], at: number): boolean {
  const textAt = (i: number) => tokens[i]?.text.toLowerCase() ?? ''
  const before = textAt(at - 1)
  const next = textAt(at + 1)
  if (textAt(at) === 'password_encryption') return true
  if (/^(?:un)?encrypted$/.test(textAt(at)) && next === 'password') return true
  if (next === 'is' && (textAt(at + 2) === 'null' || (textAt(at + 2) === 'not' && textAt(at + 3) === 'null')))
    return true
  if (before === 'by' && /^(?:,|;|)$/.test(next)) return true
  if (derives(tokens)) return false
  return (/^(?:returning|select)$/.test(before) && /^(?:,|from|;|)$/.test(next)) || (before === ',' && next === 'from')
}

/** Whether a literal may reach a column by way of another name. */
function derives(tokens: readonly Token[]): boolean {
  return tokens.some(
    (token, i) => isWord(token, 'values') || isWord(token, 'with') || (i > 0 && isWord(token, 'select')),
  )
}

function isWord(token: Token, word: string): boolean {
  return token.kind === 'word' && token.quoted === undefined && token.text.toLowerCase() === word
}

/** A name alone, `a` or `t.a`: no text with its type behind it. */
function isPlainName(tokens: readonly Token[], at: number): boolean {
  return tokens[at]?.kind === 'word' && /^(?:\.|,|\(|and|or|on|where|set|when|)$/i.test(tokens[at - 1]?.text ?? '')
}

/** `(name, password)` */
function isOneOfList(tokens: readonly Token[], at: number): boolean {
  return /^[(,]$/.test(tokens[at - 1]?.text ?? '') && /^[),]$/.test(tokens[at + 1]?.text ?? '')
}

/** Whether it stands where the grammar of an accepted DO or CREATE has the body: behind `do`, or behind `as`. */
function isBodyByGrammar(tokens: readonly Token[], at: number): boolean {
  const before = tokens[at - 1]
  if (isWord(tokens[0]!, 'do')) return before !== undefined && (isWord(before, 'do') || !isWord(before, 'language'))
  return isWord(tokens[0]!, 'create') && before !== undefined && isWord(before, 'as')
}

/**
 * Of `(a, password) values ('…', '…'), (…)`, `(a, password) = ('…', '…')`: where the values are that belong to the name at `at`.
 * Undefined where it is something else.
 */
function valuesOfList(tokens: readonly Token[], at: number): [number, number][] | undefined {
  let open = at
  let index = 0
  for (; tokens[open]?.text !== '('; open--) {
    if (open === 0 || tokens[open]!.text === ')') return undefined
    if (tokens[open]!.text === ',') index++
  }
  let next = at + 1
  while (tokens[next] !== undefined && tokens[next]!.text !== ')') next++
  next++
  while (/^(?:=|values|overriding|user|system|value|row)$/i.test(tokens[next]?.text ?? '')) next++
  const values: [number, number][] = []
  while (tokens[next]?.text === '(') {
    let begin = next + 1
    for (let i = 0; i <= index; i++) {
      const end = endOfValue(tokens, begin)
      if (end === undefined || end >= tokens.length) return undefined
      if (i === index) values.push([begin, end])
      else if (tokens[end]!.text !== ',') return undefined
      begin = end + 1
    }
    const close = endOfList(tokens, next)
    if (close === undefined) return undefined
    next = close + 1
    if (tokens[next]?.text === ',') next++
  }
  return values.length === 0 ? undefined : values
}

/** The parenthesis that closes the one at `open`. */
function endOfList(tokens: readonly Token[], open: number): number | undefined {
  let depth = 0
  for (let i = open; i < tokens.length; i++) {
    const token = tokens[i]!
    if (token.kind !== 'symbol') continue
    if (token.text === '(') depth++
    else if (token.text === ')' && --depth === 0) return i
  }
  return undefined
}

/** Where the value after a secret's name begins; undefined when none follows. */
function startOfValue(tokens: readonly Token[], after: number): number | undefined {
  let at = after
  while (tokens[at] !== undefined && tokens[at]!.kind !== 'string' && BETWEEN.test(tokens[at]!.text)) at++
  const next = tokens[at]
  if (next === undefined) return undefined
  if (next.kind === 'string' || next.kind === 'parameter' || next.kind === 'number') return at
  return at > after && !/^as$/i.test(tokens[after]!.text) ? at : undefined
}

/** The value ends at a comma, a semicolon or a closing parenthesis of its own depth, or at a word after something complete. */
function endOfValue(tokens: readonly Token[], from: number): number | undefined {
  let depth = 0
  const most = Math.min(tokens.length, from + MOST_TOKENS_OF_VALUE)
  for (let i = from; i < most; i++) {
    const { kind, text } = tokens[i]!
    if (kind === 'symbol') {
      if (text === '(' || text === '[') depth++
      else if (text === ')' || text === ']') depth--
      if (depth < 0 || (depth === 0 && (text === ',' || text === ';'))) return i
    } else if (kind === 'word' && depth === 0 && i > from) {
      const before = tokens[i - 1]!
      if (before.kind !== 'symbol' || before.text === ')') return i
    }
  }
  return most < tokens.length ? undefined : tokens.length
}
