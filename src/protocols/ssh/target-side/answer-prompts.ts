/**
 * What the questions of keyboard-interactive (RFC 4256) are answered with, decided before anything is sent. Whatever a target asks, it gets
 * the password once, where it would not be shown, and one code.
 */

export interface Prompt {
  readonly text: string
  /** Whether what is typed would be shown. */
  readonly echo: boolean
}

export type Answer = 'password' | 'code'

const ASKS_FOR_CODE =
  /one[- ]?time|verification|authenticat(?:or|ion) code|second factor|\b(?:passcode|code|otp|totp|oath|token|2fa|mfa)\b/i
const ASKS_FOR_PASSWORD = /pass ?(?:word|phrase)/i

/** `left`: what has not been given away yet. Undefined: nothing is answered. `withCodes`: there is a code for this account. */
export function answersFor(
  prompts: readonly Prompt[],
  left: ReadonlySet<Answer>,
  { withCodes }: { readonly withCodes: boolean },
): Answer[] | undefined {
  const remaining = new Set(left)
  const answers: Answer[] = []
  for (const prompt of prompts) {
    const answer = answerFor(prompt, remaining, withCodes)
    if (answer === undefined) return undefined
    remaining.delete(answer)
    answers.push(answer)
  }
  return answers
}

function answerFor({ text, echo }: Prompt, left: ReadonlySet<Answer>, withCodes: boolean): Answer | undefined {
  // Without a code to give every hidden question is for the password, whatever it is called.
  if (!withCodes) return !echo && left.has('password') ? 'password' : undefined
  // Some ask for the code first.
  if (ASKS_FOR_CODE.test(text)) return left.has('code') ? 'code' : undefined
  if (left.has('password')) return echo ? undefined : 'password'
  return left.has('code') && !ASKS_FOR_PASSWORD.test(text) ? 'code' : undefined
}
