/** The broker of one worker's sessions: their rows say which worker they are in. */

import { createBroker, type HeldSessions } from '../../session/broker/create-broker.ts'
import { createModeratedSessions } from '../../session/records/moderated-sessions.ts'
import { createSessionStore } from '../../session/records/session-store.ts'
import type { GatewayParts } from '../parts.ts'

export function brokerFor(parts: GatewayParts, worker: string): HeldSessions {
  const changes = parts.changesIn(createSessionStore({ ...parts, gateway: worker }))
  const moderatedSessions = createModeratedSessions({ ...parts, gateway: worker })
  return createBroker({ ...parts, changes, moderatedSessions })
}
