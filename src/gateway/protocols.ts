/** Loads the registered protocols: what serves them is not there before a gateway starts. */

import { protocols } from '../protocols/registered.ts'
import type { ServedProtocol } from '../session/served-protocol.ts'
import { GatewayError } from '../shared/errors.ts'

export type ServedProtocols = Awaited<ReturnType<typeof loadProtocols>>

/** What the protocols' connectors are called, and whose targets each is for. */
export function connectorsOf({
  all,
}: Pick<ServedProtocols, 'all'>): ReadonlyMap<string, { readonly protocol: string }> {
  return new Map(
    [...all].flatMap(([protocol, { connectors = [] }]) => connectors.map(({ name }) => [name, { protocol }])),
  )
}

export async function loadProtocols() {
  const loaded = new Map<string, ServedProtocol>()
  for (const { name, served } of protocols()) loaded.set(name, (await import(served.href)).default)
  return {
    all: loaded as ReadonlyMap<string, ServedProtocol>,
    /** Throws where there is none of that name. */
    of(name: string): ServedProtocol {
      const protocol = loaded.get(name)
      if (protocol === undefined) throw new GatewayError('INTERNAL', `The protocol ${name} is not served.`)
      return protocol
    },
  }
}
