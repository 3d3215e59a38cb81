/** Connects to a target's address, unless that is one of this machine's own: judged by what the name resolved to, and connected to just that. */

import { type LookupAddress, lookup } from 'node:dns'
import { once } from 'node:events'
import { connect, isIP, type LookupFunction, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { GatewayError } from '../shared/errors.ts'
import { canonicalAddress, localKind } from '../shared/network/local-address.ts'

const CONNECT_MS = 15_000

export interface DialledAddress {
  /** The target's name, for words about it. */
  readonly name: string
  /** A name or an address. */
  readonly host: string
  readonly port: number
  /** Its entry says that it may be an address of the gateway's machine. */
  readonly allowLocal: boolean
}

/**
 * Resolves to a connected socket. Throws `TARGET_ADDRESS_REFUSED` where any of the host's addresses is local and the entry does not allow
 * it; else what the network says. An abort of `signal` gives the attempt up.
 */
export async function dialAddress(to: DialledAddress, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted()
  const { host, port, allowLocal } = to
  if (!allowLocal && isIP(host) !== 0) refuseLocal(to, [host])
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS)])
  const checked = allowLocal ? {} : { lookup: checkedLookup(to) }
  const socket = connect({ host, port, noDelay: true, keepAlive: true, ...checked })
  try {
    await once(socket, 'connect', { signal: deadline })
  } catch (error) {
    socket.on('error', () => undefined).destroy()
    // What every address of a name answered: the first says as much, and has words.
    throw error instanceof AggregateError ? (error.errors[0] ?? error) : error
  }
  // Whoever takes the socket sees its end by `close`.
  socket.on('error', () => undefined)
  if (!allowLocal && isToItself(socket)) {
    socket.destroy()
    throw localAddressRefused(to, `${socket.remoteAddress} (the gateway's own)`)
  }
  return socket
}

/** Node connects to no other address than those that this gives it. */
function checkedLookup(to: DialledAddress): LookupFunction {
  return (host, options, done) =>
    lookup(host, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      if (error) return done(error, [])
      try {
        refuseLocal(
          to,
          addresses.map(({ address }) => address),
        )
      } catch (refusal) {
        return done(refusal as Error, [])
      }
      if (options.all) done(null, addresses)
      else done(null, addresses[0]!.address, addresses[0]!.family)
    })
}

function refuseLocal(to: DialledAddress, addresses: readonly string[]): void {
  for (const address of addresses) {
    const kind = localKind(address) ?? (isOwn(address) ? "the gateway's own" : undefined)
    if (kind !== undefined) throw localAddressRefused(to, `${address} (${kind})`)
  }
}

/** An address of an interface that is down is not listed, and answers all the same: to itself, a machine comes from where it goes. */
function isToItself({ localAddress, remoteAddress }: Socket): boolean {
  if (localAddress === undefined || remoteAddress === undefined) return false
  return canonicalAddress(localAddress) === canonicalAddress(remoteAddress)
}

/** Whether it is an address of one of this machine's interfaces. */
export function isOwn(address: string): boolean {
  const wanted = canonicalAddress(address)
  return Object.values(networkInterfaces()).some(addresses =>
    addresses?.some(own => canonicalAddress(own.address) === wanted),
  )
}

export function localAddressRefused({ name, host }: Pick<DialledAddress, 'name' | 'host'>, what: string): GatewayError {
  return new GatewayError(
    'TARGET_ADDRESS_REFUSED',
    'The target has an address that targets may not have. Ask the administrator of the gateway.',
    {
      cause: new Error(
        `the target ${name} points at ${host}, which is ${what}; where that is meant, its entry needs allowLocal: true`,
      ),
    },
  )
}
