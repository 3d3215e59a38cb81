/** Which connectors there are for a target's accounts: its protocol's own, and the programs that the configuration names. */

import type { Connector } from '../session/connector.ts'
import type { Target } from '../targets/target.ts'
import type { CredentialMaterial } from '../vault/lease.ts'

export interface Connectors {
  /** The one of that name; not given: the protocol's first that changes this kind. Undefined where there is none. */
  choose(target: Target, kind: CredentialMaterial['kind'], name?: string): Connector | undefined
  named(target: Target, name: string): Connector | undefined
}

export function createConnectors(parts: {
  ofProtocol: (protocol: string) => readonly Connector[]
  programs: readonly Connector[]
}): Connectors {
  const of = (target: Target) => [...parts.ofProtocol(target.protocol), ...parts.programs]
  const named: Connectors['named'] = (target, name) => of(target).find(each => each.name === name)
  return {
    named,
    choose(target, kind, name) {
      if (name === undefined) return parts.ofProtocol(target.protocol).find(({ kinds }) => kinds.includes(kind))
      const connector = named(target, name)
      return connector?.kinds.includes(kind) ? connector : undefined
    },
  }
}
