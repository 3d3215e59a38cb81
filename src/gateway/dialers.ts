/** Who dials targets: sessions, which are lent the hops' credentials, and administrators, who may read which hop failed. */

import type { SessionBroker } from '../session/broker/broker.ts'
import { createDialer, type Dialer, type DialerFor, type DialerParts } from '../session/dialer.ts'
import { GatewayError, messageOf } from '../shared/errors.ts'
import type { Metrics } from '../shared/metrics.ts'
import { formatAccountAddress } from '../shared/names.ts'
import type { Target } from '../targets/target.ts'
import { eraseMaterial } from '../vault/lease.ts'
import type { GatewayParts } from './parts.ts'
import type { ServedProtocols } from './protocols.ts'

/** For what the gateway does at a target by itself, or for an administrator: `actor`. */
export type AdministratorDialer = (target: Target, actor: string) => Dialer

type Parts = Pick<GatewayParts, 'targets' | 'vault' | 'audit' | 'metrics'>

export function createSessionDialer(
  { broker, metrics }: { readonly broker: SessionBroker; readonly metrics: Metrics },
  served: ServedProtocols,
): DialerFor {
  return grant =>
    createDialer(grant.target, {
      connectHop: hopsOf(served),
      find: name => broker.findHop(grant, name),
      lend: hop => broker.lendForHop(grant, hop),
      async passed(hop, error) {
        countHop(metrics, error)
        if (error !== undefined) await broker.hopFailed(grant, hop, error)
      },
    })
}

export function createAdministratorDialer(
  { targets, vault, audit, metrics }: Parts,
  served: ServedProtocols,
): AdministratorDialer {
  return (target, actor) => {
    const dialer = createDialer(target, {
      connectHop: hopsOf(served),
      find: name => targets.get(name),
      async lend(hop) {
        const address = { account: hop.account.name, target: hop.target.name }
        const data = { account: formatAccountAddress(address), onTheWayTo: target.name }
        // It leaves the vault without a session: that is in the log before it does.
        await audit.append({ kind: 'credential.used-for-hop', actor, data })
        const material = await vault.openForProof(address, hop.target)
        return { material, erase: () => eraseMaterial(material) }
      },
      passed: async (_hop, error) => countHop(metrics, error),
    })
    return { dial: signal => dialer.dial(signal).catch(inFull), close: () => dialer.close() }
  }
}

function hopsOf(served: ServedProtocols): DialerParts['connectHop'] {
  return (hop, ...rest) => served.of(hop.target.protocol).connectHop!(hop, ...rest)
}

function countHop(metrics: Metrics, error: GatewayError | undefined): void {
  metrics.hops.inc({ result: error?.code ?? 'passed' })
}

const FOR_ADMINISTRATORS: readonly string[] = ['TARGET_HOP_FAILED', 'TARGET_ADDRESS_REFUSED']

/** With the cause in the place of what a person would read. */
function inFull(error: unknown): never {
  if (!(error instanceof GatewayError) || !FOR_ADMINISTRATORS.includes(error.code)) throw error
  const words = messageOf(error.cause)
  throw new GatewayError(error.code, `${words[0]!.toUpperCase()}${words.slice(1)}.`, { cause: error.cause })
}
