/** Long work in one process, in steps: whoever else waits has their turn in between. */

import { setImmediate as others } from 'node:timers/promises'

/** So long at a time. */
const SLICE_MS = 10

/** Does all the steps at once. */
export function toEnd<T>(work: Generator<void, T>): T {
  for (;;) {
    const step = work.next()
    if (step.done === true) return step.value
  }
}

/** Does the steps in slices. Rejects with what a step throws. */
export async function givingWay<T>(work: Generator<void, T>): Promise<T> {
  let began = performance.now()
  for (;;) {
    const step = work.next()
    if (step.done === true) return step.value
    if (performance.now() - began < SLICE_MS) continue
    await others()
    began = performance.now()
  }
}
