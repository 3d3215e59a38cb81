/** Shows a statement without its literals: keywords, names and structure stay. */

import { SQL_KEYWORDS } from './keywords.ts'
import type { Outcome } from './outcome.ts'
import { isSecretName, mentionsSecret } from './secret-words.ts'
import { difference, type Token, tokenize } from './tokens.ts'

export const HIDDEN = '[hidden]'

/** Between a secret's name and its value, in SQL of any kind. */
const BEFORE_VALUE = /^(?:to|is|as|by|for|with|set|in|encrypted|unencrypted|hash|=)$/i
/** What a symbol ends that stands for a part of a secret without quotes. */
const ENDS_VALUE = /^[,;()=]$/
const TYPOGRAPHIC = /^[\u2018-\u201f\u2039\u203a\u00ab\u00bb\u00b4`]/
const DEEPEST_CODE = 4
const MOST_TOKENS_TO_BODY = 64

/**
 * Where the server did not accept it, a secret may stand in any quotes or none: behind a word that tells of one,
 * names are hidden too. From `sureTo` on the server may read other tokens: there, only keywords and punctuation are shown.
 */
export function hideLiterals(
  sql: string,
  tokens: readonly Token[],
  outcome: Outcome,
  sureTo: number = sql.length,
  depth = 0,
): string {
  const tells = ({ kind, text }: Token) => (kind === 'word' || kind === 'string') && mentionsSecret(text)
  const mentions = outcome !== 'accepted' && (mentionsSecret(sql) || tokens.some(tells))
  let text = ''
  let at = 0
  const show = (token: Token, shown: string) => {
    text += sql.slice(at, token.start) + shown
    at = token.end
  }
  /** A secret's name has been seen; its value is the next word, whatever that is. */
  let expected = false
  let behind = mentions && sql.includes('://')
  let hiddenTo = -1
  for (const [i, token] of tokens.entries()) {
    if (token.end > sureTo) break
    if (token.kind === 'comment') {
      if (!mentions && !mentionsSecret(token.text)) continue
      show(token, token.text.startsWith('--') ? `-- ${HIDDEN}` : `/* ${HIDDEN} */`)
    } else if (token.kind === 'string') {
      // Code that was read wrongly did not run.
      const code = !(mentions && outcome === 'misread') && depth < DEEPEST_CODE && looksLikeBody(tokens, i)
      show(token, shownString(token, code, outcome, depth))
      // A quote too many may have turned round what is a literal, and what a name.
      behind = mentions
      expected = false
    } else if (token.kind === 'number') {
      show(token, HIDDEN)
      hiddenTo = token.end
    } else if (!mentions) continue
    else if (token.kind === 'symbol') {
      const isPart = hiddenTo === token.start && !ENDS_VALUE.test(token.text)
      if (isPart) hiddenTo = token.end
      if (isPart || token.text === '`') show(token, '')
      if (token.text === ';' && outcome !== 'misread') expected = behind = false
    } else if (token.kind === 'word') {
      const names = token.quoted === undefined && (behind ? isSecretName(token.text) : mentionsSecret(token.text))
      const isValue = expected && !BEFORE_VALUE.test(token.text) && !/^password$/i.test(token.text)
      const isOther = behind && !names && !SQL_KEYWORDS.has(token.text.toLowerCase())
      const isPart = hiddenTo === token.start
      const inQuotes = token.quoted === '"' || TYPOGRAPHIC.test(token.text) || sql[token.start - 1] === '`'
      if (isPart || inQuotes || isValue || isOther || isBeforeName(tokens, i)) {
        show(token, isPart ? '' : HIDDEN)
        hiddenTo = token.end
        expected = false
      } else if (names) expected = behind = true
    }
  }
  if (sureTo >= sql.length) return text + sql.slice(at)
  return text + sql.slice(at, Math.max(at, sureTo)) + keywordsOf(sql.slice(Math.max(at, sureTo)))
}

/** `… as password`, `… = password` */
function isBeforeName(tokens: readonly Token[], at: number): boolean {
  const [between, name] = tokens.slice(at + 1, at + 3)
  return between !== undefined && /^(?:as|=)$/i.test(between.text) && name?.kind === 'word' && isSecretName(name.text)
}

/** Words of SQL and punctuation, whatever quotes they may stand in. */
function keywordsOf(sql: string): string {
  let text = ''
  let isHidden = false
  for (const [piece] of sql.matchAll(/[A-Za-z_][A-Za-z_\d$]*|[,;()=*]|[ \t\n\r]+|[\s\S]/g)) {
    if (/^[\s,;()=*]/.test(piece) || SQL_KEYWORDS.has(piece.toLowerCase())) {
      text += piece
      isHidden &&= piece.trim() === ''
    } else if (!isHidden) {
      text += HIDDEN
      isHidden = true
    }
  }
  return text
}

function shownString(token: Token, isCode: boolean, outcome: Outcome, depth: number): string {
  if (!isCode) return `'${HIDDEN}'`
  const { tokens } = tokenize(token.text, false)
  const inner = hideLiterals(token.text, tokens, outcome, difference(token.text, tokens, false), depth + 1)
  return `$hidden$${inner.replaceAll('$hidden$', '$')}$hidden$`
}

/**
 * Whether the words before it look like those before the body of a DO, a function or a procedure, wherever the statement begins: what
 * was not accepted, or not read for sure, need not be one statement, nor well-formed.
 */
function looksLikeBody(tokens: readonly Token[], at: number): boolean {
  const words = tokens.slice(Math.max(0, at - MOST_TOKENS_TO_BODY), at).filter(({ kind }) => kind === 'word')
  if (!/^(?:do|as|plpgsql|sql)$/i.test(words.at(-1)?.text ?? '')) return false
  return words.some(({ text }, i) => (i === 0 && /^do$/i.test(text)) || /^(?:function|procedure)$/i.test(text))
}
