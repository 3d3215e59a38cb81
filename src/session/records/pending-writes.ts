/** Ends of sessions that could not be written, because the store was away: tried again in every round of the reaper. */

import type { Log } from '../../shared/log.ts'

/** May be done again from its beginning. */
type Write = () => Promise<unknown>

export interface PendingWrites {
  /** Writes the end of the session now, or keeps it for `retry`. Never rejects. */
  write(session: string, write: Write): Promise<void>
  /** Tries again what is pending. Throws what the first throws that still fails. */
  retry(): Promise<void>
}

/** Lives in this process. When that dies, the rows are still open: they are found, and the seal of the recording tells the reason. */
export function createPendingWrites({ log }: { log: Log }): PendingWrites {
  const pending = new Map<string, Write>()
  return {
    async write(session, write) {
      await write().catch(error => {
        pending.set(session, write)
        log.error({ err: error, session }, 'the end of a session cannot be written now; trying again')
      })
    },
    async retry() {
      for (const [session, write] of pending) {
        await write()
        pending.delete(session)
      }
    },
  }
}
