/** Documents by the text that they were parsed from. The text is read from the store each time, so what is remembered of it is never out of date. */

/** Characters of all texts that are remembered; the one that was asked for the longest ago goes first. */
const MOST_CHARACTERS = 8_000_000

/** `parse` depends on the text alone. What is given is shared by all who ask for it, and frozen. */
export function rememberParsed<T>(parse: (text: string) => T, most = MOST_CHARACTERS): (text: string) => T {
  const known = new Map<string, T>()
  let characters = 0
  return text => {
    const found = known.get(text)
    if (found !== undefined) {
      known.delete(text)
      known.set(text, found)
      return found
    }
    const parsed = freeze(parse(text))
    known.set(text, parsed)
    characters += text.length
    for (const oldest of known.keys()) {
      if (characters <= most) break
      known.delete(oldest)
      characters -= oldest.length
    }
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
