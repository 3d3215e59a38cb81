/** The protocols that the gateway speaks: each is one folder, and one line here. */

import { GatewayError } from '../shared/errors.ts'
import type { ProtocolFacts } from './facts.ts'
import { postgres } from './postgres/facts/facts.ts'
import { ssh } from './ssh/facts/facts.ts'

const OWN = [ssh, postgres] as const

export type RegisteredProtocol = (typeof OWN)[number]
export type ProtocolName = RegisteredProtocol['name']
/** What may be opened in a session of one of them. */
export type Channel = RegisteredProtocol['channels'][number]

const registered: ProtocolFacts[] = [...OWN]

/** One more, from outside `src/`: to be called before a gateway starts, in its process alone (`workers: 1`). */
export function addProtocol(protocol: ProtocolFacts): void {
  if (registered.some(({ name }) => name === protocol.name))
    throw new Error(`there is a protocol ${protocol.name} already`)
  registered.push(protocol)
}

export function protocols(): readonly ProtocolFacts[] {
  return registered
}

/** Throws where there is none of that name: no protocol stands in for another. */
export function protocolOf(name: string): ProtocolFacts {
  const protocol = registered.find(one => one.name === name)
  if (protocol === undefined) throw new GatewayError('INTERNAL', `There is no protocol ${name}.`)
  return protocol
}

export function protocolNames(): [ProtocolName, ...ProtocolName[]] {
  return registered.map(({ name }) => name) as [ProtocolName, ...ProtocolName[]]
}

export function channelNames(): [Channel, ...Channel[]] {
  return registered.flatMap(({ channels }) => channels) as [Channel, ...Channel[]]
}
