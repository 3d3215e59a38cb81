/** Keeps both sockets of a session in step: a side is read only while the other, and the recorder, keep up. */

import { message, string } from '../../../shared/ssh-encoding/wire.ts'
import { MESSAGE } from '../transport/messages.ts'
import { RELAY_WAITING_BYTES } from '../transport/transport.ts'
import { otherSide } from './channels.ts'
import type { Side } from './policy.ts'
import type { RelayPeer } from './relay-peer.ts'

/** Bytes that may wait for one side before the other is no longer read. */
const HIGH_WATER_BYTES = 1024 * 1024

/**
 * `slow-reader` is the other side; `answers`: this side does not take what the gateway itself answers it; `unwritten-…`: what
 * waits for the recorder on its way to that side; `paused`: the session is, and enough of this side is held.
 */
type Cause = 'slow-reader' | 'answers' | 'unwritten-to-client' | 'unwritten-to-target' | 'paused'

export class Flow {
  readonly #transports: Record<Side, RelayPeer>
  readonly #causes = { client: new Set<Cause>(), target: new Set<Cause>() }
  #over = false

  constructor(transports: Record<Side, RelayPeer>) {
    this.#transports = transports
    for (const side of ['client', 'target'] as const) {
      transports[side].socket.on('drain', () => this.#caughtUp(side))
      transports[side].mostWaiting = RELAY_WAITING_BYTES
      transports[side].onKeyExchange = () => this.#keyExchange(side)
    }
  }

  /** Both sides were paused until here. */
  start(): void {
    this.#apply('client')
    this.#apply('target')
  }

  /** Call it after something was sent to `receiver`. */
  sent(receiver: Side): void {
    const transport = this.#transports[receiver]
    if (transport.pendingBytes > HIGH_WATER_BYTES || transport.exchangingKeys) {
      this.#stop(otherSide(receiver), 'slow-reader')
    }
  }

  /** Call it after the gateway itself answered `side`: one who asks and never reads is not listened to for ever. */
  answered(side: Side): void {
    if (this.#transports[side].pendingBytes > HIGH_WATER_BYTES) this.#stop(side, 'answers')
  }

  /** So much waits for the recorder on its way to `receiver` that neither side should be read; or no longer. */
  unwritten(receiver: Side, much: boolean): void {
    const cause = receiver === 'client' ? 'unwritten-to-client' : 'unwritten-to-target'
    for (const side of ['client', 'target'] as const) {
      if (much) this.#stop(side, cause)
      else this.#go(side, cause)
    }
  }

  /** Enough of what `side` sends is held while the session is paused; or no longer. */
  paused(side: Side, much: boolean): void {
    if (much) this.#stop(side, 'paused')
    else this.#go(side, 'paused')
  }

  /** To both sides, where nothing else is on its way there: for OpenSSH any message will do, also while a keepalive of its own waits (RFC 4253 §11.2). */
  signOfLife(): void {
    for (const transport of Object.values(this.#transports)) {
      if (!transport.over && !transport.exchangingKeys && transport.pendingBytes === 0)
        transport.send(message(MESSAGE.IGNORE, string('')))
    }
  }

  /** Neither side is read any more, but for the end of one that is over. */
  end(): void {
    this.#over = true
    for (const side of ['client', 'target'] as const) {
      const transport = this.#transports[side]
      transport.onKeyExchange = undefined
      if (!transport.over) transport.socket.pause()
    }
  }

  #caughtUp(receiver: Side): void {
    this.#go(receiver, 'answers')
    if (!this.#transports[receiver].exchangingKeys) this.#go(otherSide(receiver), 'slow-reader')
  }

  /** New keys are agreed on over the side's own socket: it must be read meanwhile, or both could wait for ever. */
  #keyExchange(side: Side): void {
    const transport = this.#transports[side]
    if (!transport.exchangingKeys && transport.pendingBytes <= HIGH_WATER_BYTES) this.#caughtUp(side)
    this.#apply(side)
  }

  #stop(side: Side, cause: Cause): void {
    this.#causes[side].add(cause)
    this.#apply(side)
  }

  #go(side: Side, cause: Cause): void {
    this.#causes[side].delete(cause)
    this.#apply(side)
  }

  #apply(side: Side): void {
    if (this.#over) return
    const { socket, exchangingKeys } = this.#transports[side]
    const pause = this.#causes[side].size > 0 && !exchangingKeys
    if (pause && !socket.isPaused()) socket.pause()
    else if (!pause && socket.isPaused()) socket.resume()
  }
}
