/** What rotations and the versions of credentials both stand on: how accounts stand, the journal, and logins at targets without a person. */

import { createAccountStates } from '../rotation/account-states.ts'
import { createJournal } from '../rotation/journal.ts'
import { createLogins } from '../rotation/logins.ts'
import type { AdministratorDialer } from './dialers.ts'
import type { GatewayParts } from './parts.ts'

export type RotationParts = ReturnType<typeof createRotationParts>

/** A login may wait a minute for a one-time code of its own. */
const VERIFY_WITHIN_MS = 90_000

export function createRotationParts(parts: GatewayParts, dialTarget: AdministratorDialer) {
  const { audit, database, gateway, outbox, storeClock, targets, vault } = parts
  const states = createAccountStates({ database, clock: storeClock })
  return {
    states,
    journal: createJournal({ database, outbox, gateway, clock: storeClock, follow: states.follow }),
    logins: createLogins({ vault, targets, audit, dialTarget, verifyWithinMs: VERIFY_WITHIN_MS }),
  }
}
