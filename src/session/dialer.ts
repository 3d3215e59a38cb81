/** Connects to a target, through the SSH hosts that its entry's `via` names; what every protocol dials with. */

import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { dialAddress, isOwn, localAddressRefused } from '../connections/dial-address.ts'
import type { Grant } from '../policy/grant.ts'
import { GatewayError, messageOf } from '../shared/errors.ts'
import { localKindOfHost } from '../shared/network/local-address.ts'
import { type FindTarget, findRoute, type Hop, hopName } from '../targets/route.ts'
import type { Target } from '../targets/target.ts'
import type { CredentialMaterial } from '../vault/lease.ts'

export interface Dialer {
  /**
   * Connects to the target: each call anew, but over the same hops, or without any to the same address. Throws `TARGET_HOP_FAILED`,
   * `TARGET_ADDRESS_REFUSED`, `TARGET_UNREACHABLE`, or what the network says.
   */
  dial(signal: AbortSignal): Promise<Duplex>
  /** Nothing more is dialled: the hops are closed once what was dialled through them has closed. */
  close(): void
}

/** Of the session that the grant is for. */
export type DialerFor = (grant: Grant) => Dialer

/** A hop that was logged in to. */
export interface HopLink {
  connectTo(host: string, port: number, signal: AbortSignal): Promise<Duplex>
  close(): void
}

export interface LentCredential {
  readonly material: CredentialMaterial
  erase(): void
}

export interface DialerParts {
  readonly find: FindTarget
  /** Logs in to a hop over a stream that reaches it. Throws GatewayError, and destroys the stream then. */
  readonly connectHop: (hop: Hop, stream: Duplex, material: CredentialMaterial, signal: AbortSignal) => Promise<HopLink>
  /** Returns the credential of a hop's account, once that is in the audit log. */
  readonly lend: (hop: Hop) => Promise<LentCredential>
  /** Told of every hop: with the error where it failed. */
  readonly passed: (hop: Hop, error?: GatewayError) => Promise<void>
}

export function createDialer(target: Target, parts: DialerParts): Dialer {
  return target.via === undefined ? directDialer(target) : new HopDialer(target, parts)
}

function directDialer(target: Target): Dialer {
  const { name, port, allowLocal = false } = target
  let { host } = target
  return {
    async dial(signal) {
      const socket = await dialAddress({ name, host, port, allowLocal }, signal)
      // A name may stand for several servers.
      host = socket.remoteAddress ?? host
      return socket
    },
    close() {},
  }
}

class HopDialer implements Dialer {
  readonly #target: Target
  readonly #parts: DialerParts
  /** The last that there is: with it, those before it are closed. */
  #link: HopLink | undefined
  #last: Promise<{ hop: Hop; link: HopLink }> | undefined
  /** Attempts to dial, and what came of them. */
  #inUse = 0
  #closed = false

  constructor(target: Target, parts: DialerParts) {
    this.#target = target
    this.#parts = parts
  }

  async dial(signal: AbortSignal): Promise<Duplex> {
    refuseLocal(this.#target)
    if (this.#closed) throw new Error('the session ended')
    this.#inUse++
    try {
      const stream = await this.#dialBehind(signal)
      // Its `close` may have been emitted before it was returned.
      if (stream.destroyed) throw unreachable(this.#target, new Error('the last hop closed the connection at once'))
      stream.once('close', this.#unused)
      return stream
    } catch (error) {
      this.#unused()
      throw error
    }
  }

  close(): void {
    this.#closed = true
    this.#closeUnused()
  }

  readonly #unused = (): void => {
    this.#inUse--
    this.#closeUnused()
  }

  #closeUnused(): void {
    if (!this.#closed || this.#inUse > 0) return
    this.#link?.close()
  }

  async #dialBehind(signal: AbortSignal): Promise<Duplex> {
    const { host, port } = this.#target
    this.#last ??= this.#openHops(signal)
    const { hop, link } = await this.#last
    try {
      return await link.connectTo(host, port, signal)
    } catch (error) {
      throw unreachable(
        this.#target,
        new Error(`${hopName(hop)} does not connect to ${host}:${port}: ${messageOf(error)}`),
      )
    }
  }

  async #openHops(signal: AbortSignal): Promise<{ hop: Hop; link: HopLink }> {
    const route = await findRoute(this.#target, this.#parts.find)
    if (route.kind === 'broken') throw this.#failed(`the entry of ${route.at}: ${route.why}`)
    for (const [index, hop] of route.hops.entries()) {
      try {
        this.#link = await this.#openHop(hop, this.#link, signal)
      } catch (error) {
        this.close()
        const known = error instanceof GatewayError ? error : new GatewayError('TARGET_UNREACHABLE', messageOf(error))
        await this.#parts.passed(hop, known)
        throw this.#failed(`hop ${index + 1} of ${route.hops.length}, ${hopName(hop)}: ${wordsOf(known)}`)
      }
      await this.#parts.passed(hop)
    }
    return { hop: route.hops.at(-1)!, link: this.#link! }
  }

  async #openHop(hop: Hop, before: HopLink | undefined, signal: AbortSignal): Promise<HopLink> {
    const { name, host, port, allowLocal = false } = hop.target
    if (before !== undefined) refuseLocal(hop.target)
    const stream =
      before === undefined
        ? await dialAddress({ name, host, port, allowLocal }, signal)
        : await before.connectTo(host, port, signal)
    if (stream.destroyed) throw new Error('the hop before closed the connection at once')
    // Not sooner: the final messages of the hop behind go through the one before.
    stream.once('close', () => before?.close())
    try {
      const lent = await this.#parts.lend(hop)
      try {
        return await this.#parts.connectHop(hop, stream, lent.material, signal)
      } finally {
        lent.erase()
      }
    } catch (error) {
      stream.on('error', () => undefined).destroy()
      throw error
    }
  }

  /** What is wrong with the hops is for administrators: the person learns that something is. */
  #failed(why: string): GatewayError {
    return new GatewayError(
      'TARGET_HOP_FAILED',
      `The way to the target ${this.#target.name} is not open. Ask the administrator of the gateway.`,
      { cause: new Error(why) },
    )
  }
}

/** Behind a hop, the hop resolves the name: what is known is what the entry spells out. */
function refuseLocal(target: Target): void {
  if (target.allowLocal === true) return
  const kind = localKindOfHost(target.host)
  if (kind !== undefined) throw localAddressRefused(target, `the hop's own (${kind})`)
  if (isIP(target.host) !== 0 && isOwn(target.host)) throw localAddressRefused(target, "the gateway's own")
}

function unreachable({ name }: Target, cause: Error): GatewayError {
  return new GatewayError('TARGET_UNREACHABLE', `The target ${name} could not be reached.`, { cause })
}

function wordsOf({ code, message, cause }: GatewayError): string {
  return `${code}: ${cause === undefined ? message : messageOf(cause)}`
}
