/** Ends of sessions that could not be written, because the store was away: tried again in every round of the reaper. */

import type { Log } from '../shared/log.ts'

/** May be done again from its beginning. */
type End = () => Promise<unknown>

export interface OwedEnds {
  /** Does it now, or owes it. Never rejects. */
  settle(session: string, end: End): Promise<void>
  /** Tries what is owed again. Throws what the first throws that still fails. */
  retry(): Promise<void>
}

/** Lives in this process. When that dies, the rows are still open: they are found, and the seal of the recording tells the reason. */
export function createOwedEnds({ log }: { log: Log }): OwedEnds {
  const owed = new Map<string, End>()
  return {
    async settle(session, end) {
      await end().catch(error => {
        owed.set(session, end)
        log.error({ err: error, session }, 'the end of a session cannot be written now; trying again')
      })
    },
    async retry() {
      for (const [session, end] of owed) {
        await end()
        owed.delete(session)
      }
    },
  }
}
