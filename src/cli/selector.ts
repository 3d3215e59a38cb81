/** What a role or a rotation policy selects, in one line. */

export interface Selector {
  readonly names?: readonly string[] | undefined
  readonly labels?: Readonly<Record<string, string>> | undefined
  readonly levels?: readonly string[] | undefined
}

export function selectorOf({ names = [], labels = {}, levels = [] }: Selector): string {
  const parts = [
    ...names,
    ...levels.map(level => `level ${level}`),
    ...Object.entries(labels).map(([name, value]) => `${name}=${value}`),
  ]
  return parts.join(', ') || 'none'
}
