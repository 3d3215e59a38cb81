/** Durations as people write them: `90s`, `15m`, `8h`, `7d`. */

import { z } from 'zod'

const DURATION = /^(\d{1,9})(s|m|h|d)$/
const UNIT_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

const DURATION_WORDS = 'a duration is a number and s, m, h or d, for example 15m'

/** `90s`, `15m`, `8h`, `7d`, as people write it; parses to milliseconds. */
export const durationText = z
  .string(DURATION_WORDS)
  .regex(DURATION, DURATION_WORDS)
  .transform(text => {
    const [, amount, unit] = DURATION.exec(text)!
    return Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS]
  })

/**
 * The same, or milliseconds already: documents are stored parsed. Resource files may not write a bare number. The number is first, so that
 * an answer of the API, which is what was parsed, never meets the transform.
 */
export const duration = z.union([z.number().int().nonnegative(), durationText])

/** `30d`, `8h`, `90m`: the largest unit that leaves no rest. */
export function durationWords(ms: number): string {
  const [unit, size] = (
    [
      ['d', 86_400_000],
      ['h', 3_600_000],
      ['m', 60_000],
    ] as const
  ).find(([, size]) => ms % size === 0) ?? ['s', 1000]
  return `${ms / size}${unit}`
}
