/** The check-outs, requests and proposals of whoever is logged in, for what the gateway itself answers on that login. */

import { createOwnRequests, type OwnRequests } from '../access-requests/own-requests.ts'
import { createOwnCheckOuts, type OwnCheckOuts } from '../check-out/own-check-outs.ts'
import type { Asker } from '../check-out/terms.ts'
import { createOwnProposals, type OwnProposals } from '../proposals/own-proposals.ts'
import type { SessionBroker } from '../session/broker/broker.ts'
import type { HeldSessions } from '../session/broker/create-broker.ts'
import { GatewayError } from '../shared/errors.ts'
import type { GatewayParts } from './parts.ts'

export function requestsOf(
  { requests, sessions, users, proposals }: Pick<GatewayParts, 'requests' | 'sessions' | 'users' | 'proposals'>,
  broker: Pick<HeldSessions, 'person' | 'proveCode' | 'takeCode'>,
  id: string,
): OwnRequests {
  return createOwnRequests({
    ...{ requests, sessions, users },
    proposalOf: async request => (await proposals.rows.ofRequest(request))?.id,
    person: () => personOf(broker, id),
    proveCode: code => broker.proveCode(id, code),
    takeCode: () => broker.takeCode(id),
  })
}

/** Throws `ACCESS_DENIED` where they could not log in like this any more. */
async function personOf(broker: Pick<SessionBroker, 'person'>, id: string): Promise<Asker> {
  const person = await broker.person(id)
  if (person === undefined) throw new GatewayError('ACCESS_DENIED', 'Your access was withdrawn.')
  const { user, roles, proven, sourceAddress } = person
  return { user, roles, proven, sourceAddress, session: id }
}

export function proposalsOf(
  { proposals }: Pick<GatewayParts, 'proposals'>,
  broker: Pick<HeldSessions, 'person' | 'proveCode' | 'takeCode'>,
  id: string,
): OwnProposals {
  return createOwnProposals({
    proposals,
    person: () => personOf(broker, id),
    proveCode: code => broker.proveCode(id, code),
    takeCode: () => broker.takeCode(id),
  })
}

export function checkOutsOf(
  { checkOuts, reveal }: Pick<GatewayParts, 'checkOuts' | 'reveal'>,
  broker: Pick<SessionBroker, 'person' | 'proveCode'>,
  id: string,
): OwnCheckOuts {
  return createOwnCheckOuts({
    ...{ checkOuts, reveal },
    person: () => personOf(broker, id),
    proveCode: code => broker.proveCode(id, code),
  })
}
