/** What the relay needs of a side: a transport has it, and so has the client of a session that was begun inside another connection. */

import type { Downstream } from '../../../session/protocol.ts'
import type { TransportListener } from '../transport/transport.ts'
import type { Notice } from './terminal-notices.ts'

export interface RelayPeer {
  readonly over: boolean
  /** The software part of the peer's identification string. */
  readonly peerSoftware: string
  /** While keys are agreed on, what is sent waits. */
  readonly exchangingKeys: boolean
  /** Bytes that the peer has not taken yet. */
  readonly pendingBytes: number
  /** Bytes that may wait for this peer before the connection is given up. */
  mostWaiting: number
  /** Called when a key exchange begins or ends. */
  onKeyExchange: (() => void) | undefined
  readonly socket: {
    pause(): unknown
    resume(): unknown
    isPaused(): boolean
    on(event: 'drain', listener: () => void): unknown
  }
  /** The payload is copied. */
  send(payload: Buffer): void
  /** From now on, data messages are there only until the listener returns. */
  reuseMemory(): void
  disconnect(reason: number, text: string): void
  destroy(): void
  /** Tells the peer that we do not know this message (RFC 4253 §11.4). */
  unimplemented(): void
}

/** Puts words into the person's open terminals, as lines that a terminal can show. */
export interface Speaker {
  /** At the next moment at which it spoils nothing. */
  say(notice: Notice): void
  /** Now: nothing comes after it. */
  lastWord(lines: string): void
}

/** The side of the user, as the relay takes it over. */
export interface RelayedClient extends Downstream {
  readonly relayed: RelayPeer
  /** Set by the relay, while it runs. */
  speaker: Speaker | undefined
  /** What came until now is given to the listener first. */
  handOver(listener: TransportListener): void
  /** The relay tells that the connection ended while it was the listener. */
  lost(): void
}
