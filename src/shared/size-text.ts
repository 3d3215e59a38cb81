/** Sizes as people write them: `512B`, `64KiB`, `1MiB`, `1GiB`. */

import { z } from 'zod'

const WORDS = 'a size is a number and B, KiB, MiB or GiB, for example 1MiB'
const SIZE = /^(\d{1,9})(B|KiB|MiB|GiB)$/
const UNIT_BYTES = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const

export const sizeText = z.string(WORDS).regex(SIZE, WORDS)

/** Of a text that {@link sizeText} has taken. */
export function bytesOf(text: string): number {
  const [, amount, unit] = SIZE.exec(text)!
  return Number(amount) * UNIT_BYTES[unit as keyof typeof UNIT_BYTES]
}
