/** The factors that there are, and all that others need to know of one: whoever goes through factors goes by this table. */

export interface FactorFacts {
  /** Whether it may come first, wherever a list names it. What may not proves nothing alone, and is not looked at before one that may. */
  readonly first: boolean
  /** Whether it can be guessed: failures are counted, each factor's apart. */
  readonly guessable: boolean
  /** Whether it is enrolled here, as a row of the store; keys are in the user's entry. */
  readonly enrolled: boolean
  readonly shown: Showing
}

/** How a person shows it: by a signature, as the password of their client, or by what they type when it is `wanted`. */
export type Showing =
  | { readonly how: 'signature' }
  | { readonly how: 'password' }
  | { readonly how: 'answer'; readonly wanted: string }

const OWN = {
  publickey: { first: true, guessable: false, enrolled: false, shown: { how: 'signature' } },
  password: { first: true, guessable: true, enrolled: true, shown: { how: 'password' } },
  totp: { first: false, guessable: true, enrolled: true, shown: { how: 'answer', wanted: 'One-time code' } },
} as const satisfies Record<string, FactorFacts>

export type Factor = keyof typeof OWN
type With<Facts> = { [F in Factor]: (typeof OWN)[F] extends Facts ? F : never }[Factor]
export type GuessableFactor = With<{ guessable: true }>
export type EnrolledFactor = With<{ enrolled: true }>
export type AnsweredFactor = With<{ shown: { how: 'answer' } }>

export const FACTORS = Object.keys(OWN) as [Factor, ...Factor[]]
export const FIRST_FACTORS = FACTORS.filter(mayComeFirst)
export const GUESSABLE_FACTORS = FACTORS.filter(isGuessable) as [GuessableFactor, ...GuessableFactor[]]
export const ENROLLED_FACTORS = FACTORS.filter(isEnrolled) as [EnrolledFactor, ...EnrolledFactor[]]
/** What a target may ask for beyond the login around it, when it is opened. */
export const LATER_FACTORS = FACTORS.filter(factor => !mayComeFirst(factor))

export function mayComeFirst(factor: Factor): boolean {
  return OWN[factor].first
}

export function isGuessable(factor: Factor): factor is GuessableFactor {
  return OWN[factor].guessable
}

function isEnrolled(factor: Factor): factor is EnrolledFactor {
  return OWN[factor].enrolled
}

export function isAnswered(factor: Factor): factor is AnsweredFactor {
  return OWN[factor].shown.how === 'answer'
}

export function showingOf<F extends Factor>(factor: F): (typeof OWN)[F]['shown'] {
  return OWN[factor].shown
}
