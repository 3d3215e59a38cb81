/** A complaint for each name that stands in a list again, and where. */

interface Repetition {
  readonly path: (string | number)[]
  readonly message: string
}

export function listedTwice(names: readonly string[], field: string, message: (name: string) => string): Repetition[] {
  return names.flatMap((name, index) =>
    names.indexOf(name) < index ? [{ path: [field, index], message: message(name) }] : [],
  )
}
