/** Documents by the text that they were parsed from. The text is read from the store each time, so what is remembered of it is never out of date. */

import { BoundedMap } from '../shared/bounded-map.ts'

/** Characters of all texts that are remembered; the one that was asked for the longest ago goes first. */
const MOST_CHARACTERS = 8_000_000

/** `parse` depends on the text alone. What is given is shared by all who ask for it, and frozen. */
export function rememberParsed<T>(parse: (text: string) => T, most = MOST_CHARACTERS): (text: string) => T {
  const known = new BoundedMap<T>(most, (_, text) => text.length)
  return text => {
    const parsed = known.get(text) ?? freeze(parse(text))
    known.set(text, parsed)
    return parsed
  }
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) freeze(inner)
  }
  return value
}
