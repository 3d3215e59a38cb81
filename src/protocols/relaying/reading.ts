/** Whether a socket is read: not while there is any reason against it. */

import type { Duplex } from 'node:stream'

/** A set of bits. */
export const AGAINST_READING = {
  OTHER_SIDE_FULL: 1,
  UNWRITTEN_TO_CLIENT: 2,
  UNWRITTEN_TO_TARGET: 32,
  TOO_MUCH_UNANSWERED: 4,
  LOG_BEHIND: 8,
  RELAY_ENDED: 16,
  PAUSED: 64,
} as const

export class Reading {
  readonly #socket: Duplex
  #against = 0

  constructor(socket: Duplex) {
    this.#socket = socket
  }

  stop(why: number): void {
    if (this.#against === 0) this.#socket.pause()
    this.#against |= why
  }

  goOn(why: number): void {
    if (this.#against === 0) return
    this.#against &= ~why
    if (this.#against === 0) this.#socket.resume()
  }

  /** The relay has begun. */
  begin(): void {
    if (this.#against === 0) this.#socket.resume()
  }

  /** The relay has ended: however the socket is read then, it stays so. */
  end(): void {
    this.#against |= AGAINST_READING.RELAY_ENDED
  }
}
