/** Steps that must be done although the store fails now: they are kept, in their order, and tried again in every round of the reaper. */

import type { Log } from '../shared/log.ts'

type Step = () => Promise<unknown>

export interface OwedSteps {
  /** Does the steps one after the other; from the first that fails on they are owed. Never rejects. */
  settle(session: string, steps: readonly Step[]): Promise<void>
  /** Tries what is owed again. Throws what the first step throws that still fails. */
  retry(): Promise<void>
}

/** Lives in this process: when it dies the rows that it did not end are found by others. */
export function createOwedSteps({ log }: { log: Log }): OwedSteps {
  const owed = new Set<Step[]>()

  async function walk(steps: Step[]): Promise<void> {
    for (let step = steps[0]; step !== undefined; step = steps[0]) {
      await step()
      steps.shift()
    }
  }

  return {
    async settle(session, steps) {
      const left = [...steps]
      await walk(left).catch(error => {
        owed.add(left)
        log.error(
          { err: error, session, steps: left.length },
          'the end of a session cannot be written now; trying again',
        )
      })
    },
    async retry() {
      for (const steps of owed) {
        await walk(steps)
        owed.delete(steps)
      }
    },
  }
}
