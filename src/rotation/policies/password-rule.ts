/** How generated passwords look, and whether any can look like that. */

import { z } from 'zod'

/** Without quotes, backslash and backtick: where a password is written into a file besides, few formats take them as they are. */
export const CHARACTERS = {
  lower: 'abcdefghijklmnopqrstuvwxyz',
  upper: 'ABCDEFGHIJKLMNOPQRSTUVWXYZ',
  digit: '0123456789',
  symbol: '!#$%&()*+,-./:;<=>?@[]^_{|}~',
} as const

/** What a generated password is made of. */
export const CHARACTER_CLASSES = ['lower', 'upper', 'digit', 'symbol'] as const satisfies (keyof typeof CHARACTERS)[]
export type CharacterClass = (typeof CHARACTER_CLASSES)[number]

export const passwordRuleSchema = z.strictObject({
  length: z.number().int().min(16).max(128).default(32),
  /** At least one character of each. */
  classes: z
    .array(z.enum(CHARACTER_CLASSES))
    .min(1)
    .default([...CHARACTER_CLASSES]),
  /** Characters that are never used. */
  forbidden: z.string().max(128).default(''),
})

export type PasswordRule = z.output<typeof passwordRuleSchema>

/** What nobody guesses: 16 letters and digits are 95 bits, 24 digits are 80. */
const LEAST_BITS = 80

/** The characters of a class that are not forbidden. */
export function charactersOf({ forbidden }: Pick<PasswordRule, 'forbidden'>, name: CharacterClass): string[] {
  return [...CHARACTERS[name]].filter(character => !forbidden.includes(character))
}

/** Undefined where passwords fit the rule that nobody guesses. */
export function whyNoPassword(rule: PasswordRule): string | undefined {
  const classes = [...new Set(rule.classes)].map(name => ({ name, characters: charactersOf(rule, name) }))
  const empty = classes.find(({ characters }) => characters.length === 0)
  if (empty !== undefined) {
    return `it asks for a character of the class ${empty.name}, and forbids them all: leave one of them, or take ${empty.name} out of classes`
  }
  const count = classes.reduce((sum, { characters }) => sum + characters.length, 0)
  const bits = Math.floor(rule.length * Math.log2(count))
  if (bits >= LEAST_BITS) return undefined
  const left = count === 1 ? 'a single character' : `${count} characters`
  return `${rule.length} times one of ${left} can be guessed: make it longer, or allow more`
}
