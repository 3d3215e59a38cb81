/** The keys that stand for the gateway itself, as its protocols have them: made once for a store, and handed to the workers. */

import type { OwnKeys } from '../session/served-protocol.ts'
import type { GatewayParts } from './parts.ts'
import type { ServedProtocols } from './protocols.ts'
import type { HandedKeys } from './workers/messages.ts'

type OfProtocols<Keys> = Readonly<Record<string, Keys>>

export async function ownKeysOf(
  { vault }: Pick<GatewayParts, 'vault'>,
  { all }: ServedProtocols,
): Promise<OfProtocols<OwnKeys>> {
  const keys: Record<string, OwnKeys> = {}
  for (const [protocol, { ownKeys = {} }] of all) {
    const own = Object.entries(ownKeys).map(async ([name, generate]) => [name, await vault.ownKey(name, generate)])
    keys[protocol] = Object.fromEntries(await Promise.all(own))
  }
  return keys
}

export function handedKeys(keys: OfProtocols<OwnKeys>): OfProtocols<HandedKeys> {
  return Object.fromEntries(Object.entries(keys).map(([protocol, own]) => [protocol, handed(own)]))
}

function handed(keys: OwnKeys): HandedKeys {
  return Object.fromEntries(
    Object.entries(keys).map(([name, key]) => [name, { public: key.public, secret: key.secret.revealBytes() }]),
  )
}
