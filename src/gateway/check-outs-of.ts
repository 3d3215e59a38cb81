/** The check-outs of whoever is logged in, for what the gateway itself answers on that login. */

import { createOwnCheckOuts, type OwnCheckOuts } from '../check-out/own-check-outs.ts'
import type { SessionBroker } from '../session/broker/broker.ts'
import { GatewayError } from '../shared/errors.ts'
import type { GatewayParts } from './parts.ts'

export function checkOutsOf(
  { checkOuts, reveal }: Pick<GatewayParts, 'checkOuts' | 'reveal'>,
  broker: Pick<SessionBroker, 'person' | 'proveCode'>,
  id: string,
): OwnCheckOuts {
  return createOwnCheckOuts({
    ...{ checkOuts, reveal },
    async person() {
      const person = await broker.person(id)
      if (person === undefined) throw new GatewayError('ACCESS_DENIED', 'Your access was withdrawn.')
      const { user, roles, proven, sourceAddress } = person
      return { user, roles, proven, sourceAddress, session: id }
    },
    proveCode: code => broker.proveCode(id, code),
  })
}
