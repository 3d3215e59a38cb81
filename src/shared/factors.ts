/** The factors that there are, and all that others need to know of one: whoever goes through factors goes by this table. */

interface FactorFacts {
  /** Whether it may come first, wherever a list names it. What may not proves nothing alone, and is not looked at before one that may. */
  readonly first: boolean
  /** Whether it can be guessed: failures are counted, each factor's apart. */
  readonly guessable: boolean
  /** Whether it is enrolled here, as a row of the store; keys are in the user's entry. */
  readonly enrolled: boolean
}

const TABLE = {
  publickey: { first: true, guessable: false, enrolled: false },
  password: { first: true, guessable: true, enrolled: true },
  totp: { first: false, guessable: true, enrolled: true },
} as const satisfies Record<string, FactorFacts>

export type Factor = keyof typeof TABLE
type With<Fact extends keyof FactorFacts> = { [F in Factor]: (typeof TABLE)[F][Fact] extends true ? F : never }[Factor]
export type GuessableFactor = With<'guessable'>
export type EnrolledFactor = With<'enrolled'>

export const FACTORS = Object.keys(TABLE) as [Factor, ...Factor[]]
export const FIRST_FACTORS: readonly Factor[] = factorsWith('first')
export const GUESSABLE_FACTORS = factorsWith('guessable')
export const ENROLLED_FACTORS = factorsWith('enrolled')
/** What a target may ask for beyond the login around it, when it is opened. */
export const LATER_FACTORS: readonly Factor[] = FACTORS.filter(factor => !TABLE[factor].first)

export function mayComeFirst(factor: Factor): boolean {
  return TABLE[factor].first
}

function factorsWith<Fact extends keyof FactorFacts>(fact: Fact): [With<Fact>, ...With<Fact>[]] {
  return FACTORS.filter(factor => TABLE[factor][fact]) as [With<Fact>, ...With<Fact>[]]
}
