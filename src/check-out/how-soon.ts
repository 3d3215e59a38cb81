/** How soon whoever waits asks again: the first at once, those far behind less often, so that a long queue does not keep the store busy. */

const FIRST_MS = 1000
/** Well within the time of an offer. */
const LONGEST_MS = 20_000

/** `place`: in the queue, from 1 on. */
export function askAgainMs(place: number | null): number {
  return Math.min(FIRST_MS * Math.max(1, place ?? 1), LONGEST_MS)
}
