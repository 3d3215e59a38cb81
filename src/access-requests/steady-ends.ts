/** When approved access ends by what nobody can set: a clock that is set back lets no session begin after it either. */

import { BoundedMap } from '../shared/bounded-map.ts'
import { type Clock, elapsed } from '../shared/clock.ts'

const MOST_KNOWN = 10_000

/** `steady`: the clock of this process. What it remembers began when a request was first looked at here. */
export function createSteadyEnds(steady: Clock) {
  const known = new BoundedMap<{ readonly endsAt: number; readonly overAtElapsed: number }>(MOST_KNOWN)

  /** The end of the request, where it is `now` by the clock that it is to end by. */
  return (id: string, endsAt: number, now: number): number => {
    const passed = Math.floor(elapsed(steady))
    const before = known.get(id)
    // More time is more by what has passed as well.
    const overAtElapsed = before === undefined ? passed + endsAt - now : before.overAtElapsed + endsAt - before.endsAt
    known.set(id, { endsAt, overAtElapsed })
    return Math.min(endsAt, now + overAtElapsed - passed)
  }
}
