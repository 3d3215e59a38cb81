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

/**
 * How a person shows it: by a signature, as the password of their client, by what they type when it is `wanted`, or by confirming it
 * elsewhere, as the `instruction` says.
 */
export type Showing =
  | { readonly how: 'signature' }
  | { readonly how: 'password' }
  | { readonly how: 'answer'; readonly wanted: string }
  | { readonly how: 'elsewhere'; readonly instruction: string }

const OWN = {
  publickey: { first: true, guessable: false, enrolled: false, shown: { how: 'signature' } },
  password: { first: true, guessable: true, enrolled: true, shown: { how: 'password' } },
  totp: { first: false, guessable: true, enrolled: true, shown: { how: 'answer', wanted: 'One-time code' } },
} as const satisfies Record<string, FactorFacts>

export type Factor = keyof typeof OWN
type With<Facts> = { [F in Factor]: (typeof OWN)[F] extends Facts ? F : never }[Factor]
export type GuessableFactor = With<{ guessable: true }>
export type EnrolledFactor = With<{ enrolled: true }>
/** What is asked for in words; those to it are empty where it is confirmed elsewhere. */
export type AskedFactor = With<{ shown: { how: 'answer' | 'elsewhere' } }>

const table = new Map<string, FactorFacts>()

export const FACTORS: Factor[] = []
export const FIRST_FACTORS: Factor[] = []
export const GUESSABLE_FACTORS: GuessableFactor[] = []
export const ENROLLED_FACTORS: EnrolledFactor[] = []
/** What a target may ask for beyond the login around it, when it is opened. */
export const LATER_FACTORS: Factor[] = []

for (const [name, facts] of Object.entries(OWN)) addFacts(name, facts)

/** For `identity/factors/registered.ts` only. */
export function addFacts(name: string, facts: FactorFacts): void {
  if (table.has(name)) throw new Error(`there is a factor ${name} already`)
  table.set(name, facts)
  const factor = name as Factor
  FACTORS.push(factor)
  if (facts.first) FIRST_FACTORS.push(factor)
  else LATER_FACTORS.push(factor)
  if (isGuessable(factor)) GUESSABLE_FACTORS.push(factor)
  if (facts.enrolled) ENROLLED_FACTORS.push(factor as EnrolledFactor)
}

export function mayComeFirst(factor: Factor): boolean {
  return table.get(factor)!.first
}

export function isGuessable(factor: Factor): factor is GuessableFactor {
  return table.get(factor)!.guessable
}

export function showingOf(factor: Factor): Showing {
  return table.get(factor)!.shown
}
