/** What an event says, in one line. */

const LISTED = 3

/** `reason=killed target=web-01`: flat, in the order in which they were written; of long lists the first few. */
export function factsOf(data: Record<string, unknown>, prefix = ''): string {
  return Object.entries(data)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => {
      if (Array.isArray(value)) {
        const more = value.length > LISTED ? ` and ${value.length - LISTED} more` : ''
        return `${prefix}${name}=${value.slice(0, LISTED).map(wordsOf).join(', ')}${more}`
      }
      if (typeof value === 'object') return factsOf(value as Record<string, unknown>, `${prefix}${name}.`)
      return `${prefix}${name}=${value}`
    })
    .join(' ')
}

function wordsOf(each: unknown): string {
  const isRecord = typeof each === 'object' && each !== null
  return isRecord ? `(${factsOf(each as Record<string, unknown>)})` : String(each).trim()
}
