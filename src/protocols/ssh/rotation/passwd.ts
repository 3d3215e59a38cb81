/** `passwd` as a user runs it, who changes only themselves: what it asks for, in the C locale, and what becomes of it. */

import type { Conversation, End, Finding } from './conversation.ts'
import { passwordLine } from './password-lines.ts'

export interface Passwords {
  readonly current: Buffer
  readonly candidate: Buffer
}

/** Without the questions, behind which the next line begins. */
export function withoutQuestions(text: string): string {
  return text
    .split(/(?<=: )|(?<=\n)/)
    .map(piece => (questionIn(piece) === undefined ? piece : '\n'))
    .join('')
}

export type PasswdOutcome =
  | { readonly kind: 'changed' }
  /** It wants another new password. */
  | { readonly kind: 'refused' }
  /** Before it had the new password: nothing has changed. `end` undefined: it asks what makes no sense. */
  | { readonly kind: 'declined' | 'uncertain'; readonly end: End | undefined }

const LONGEST_QUESTION = 120

type Asked = 'current' | 'new' | 'again'

/** Answers each question once. */
export async function answerPasswd(
  talk: Conversation,
  { current, candidate }: Passwords,
  refuses: (text: string) => boolean,
): Promise<PasswdOutcome> {
  const answered = new Set<Asked>()
  while (true) {
    const heard = await talk.until(text => atEnd(text, questionIn(text)))
    if ('over' in heard) return outcomeOf(heard.over, answered, refuses(talk.said))
    const asked = heard.found
    if (asked === 'new' && answered.has('new')) return { kind: 'refused' }
    if (answered.has(asked) || (asked === 'again' && !answered.has('new'))) return outcomeOf(undefined, answered, false)
    answered.add(asked)
    talk.say(passwordLine(asked === 'current' ? current : candidate))
  }
}

/** `end` undefined: it asks what makes no sense. */
function outcomeOf(end: End | undefined, answered: ReadonlySet<Asked>, refused: boolean): PasswdOutcome {
  const exited = end?.kind === 'exited'
  if (exited && end.status === 0 && answered.has('again')) return { kind: 'changed' }
  if (exited && end.status > 0 && answered.has('new') && refused) return { kind: 'refused' }
  return { kind: answered.has('new') ? 'uncertain' : 'declined', end }
}

/** Where the text ends in a question that is known. */
export function questionIn(text: string): Asked | undefined {
  const question = text.slice(text.lastIndexOf('\n') + 1).slice(-LONGEST_QUESTION)
  if (!/:\s?$/.test(question) || !/password/i.test(question)) return undefined
  if (/\b(?:re-?(?:type|enter|peat)|again|confirm|verify)/i.test(question)) return 'again'
  if (/\bnew\b/i.test(question)) return 'new'
  return /\b(?:current|old|existing|login|unix|ldap)\b/i.test(question) ? 'current' : undefined
}

function atEnd<T>({ length }: string, found: T | undefined): Finding<T> | undefined {
  return found === undefined ? undefined : { found, end: length }
}
