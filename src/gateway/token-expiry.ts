/** Personal tokens whose time is over are removed once a minute, and that is audited. Nobody could use them any more already. */

import type { PersonalAccess } from '../session/personal-access.ts'
import type { Log } from '../shared/log.ts'

const EVERY_MS = 60_000

/** A round that fails is logged; the next one does its work. Closing waits for the round that runs. */
export function watchTokenExpiry(
  { personalAccess, log }: { personalAccess: Pick<PersonalAccess, 'endExpired'>; log: Log },
  started: AsyncDisposableStack,
): void {
  let running: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    running = running
      .then(() => personalAccess.endExpired())
      .catch(error => log.warn({ err: error }, 'expired tokens could not be removed; trying again'))
  }, EVERY_MS).unref()
  started.defer(async () => {
    clearInterval(timer)
    await running
  })
}
