/** What the two sides send while a session is paused: kept up to a bound, then not read any more, and passed on in its order when it goes on. */

import type { Pause } from '../../../session/live/pause.ts'
import { WireError } from '../../../shared/ssh-encoding/wire.ts'
import { MESSAGE } from '../transport/messages.ts'
import type { Flow } from './flow.ts'
import type { Side } from './policy.ts'
import type { Requests } from './requests.ts'

/** Of one side, before it is no longer read: so its end is seen, and its keepalives are answered. */
const READ_BYTES = 256 * 1024
/** While keys are agreed on a side is read all the same. */
const MOST_BYTES = 16 * 1024 * 1024
/** So often both sides are shown that somebody is there: a side that is not read, or is owed another answer first, would give up otherwise. */
const SIGN_OF_LIFE_MS = 1000

interface Held {
  messages: Buffer[]
  bytes: number
  /** One of them must be answered, or heard of, before any request that follows. */
  asks: boolean
}

export class HeldMessages {
  readonly #pause: Pause
  readonly #flow: Flow
  readonly #requests: Pick<Requests, 'answerKeepalive' | 'wantsReply'>
  readonly #pass: (side: Side, type: number, payload: Buffer) => void
  readonly #held: Record<Side, Held> = { client: nothing(), target: nothing() }
  #signs: NodeJS.Timeout | undefined

  constructor(
    pause: Pause,
    flow: Flow,
    requests: Pick<Requests, 'answerKeepalive' | 'wantsReply'>,
    pass: (side: Side, type: number, payload: Buffer) => void,
  ) {
    this.#pause = pause
    this.#flow = flow
    this.#requests = requests
    this.#pass = pass
  }

  /** Passes it on, or keeps it. Throws WireError. */
  take(side: Side, type: number, payload: Buffer): void {
    if (!this.#pause.paused) {
      this.#pass(side, type, payload)
      return
    }
    const held = this.#held[side]
    const isRequest = type === MESSAGE.GLOBAL_REQUEST || type === MESSAGE.CHANNEL_REQUEST
    if (isRequest && !held.asks && this.#requests.answerKeepalive(side, type, payload)) return
    held.asks ||= isRequest ? this.#requests.wantsReply(type, payload) : type === MESSAGE.CHANNEL_OPEN_CONFIRMATION
    held.messages.push(Buffer.from(payload))
    held.bytes += payload.length
    if (held.bytes > MOST_BYTES) throw new WireError('too much while the session is paused')
    if (held.bytes > READ_BYTES) this.#flow.paused(side, true)
  }

  /** The session is paused. */
  begin(): void {
    this.#signs ??= setInterval(() => this.#flow.signOfLife(), SIGN_OF_LIFE_MS).unref()
  }

  /** The relay is over. */
  end(): void {
    clearInterval(this.#signs)
    this.#signs = undefined
  }

  /** The session goes on: gives what was kept to `take`, which may end it. */
  release(take: (side: Side, type: number, payload: Buffer) => void): void {
    this.end()
    for (const side of ['client', 'target'] as const) {
      const { messages } = this.#held[side]
      this.#held[side] = nothing()
      for (const payload of messages) take(side, payload[0]!, payload)
      this.#flow.paused(side, false)
    }
  }
}

function nothing(): Held {
  return { messages: [], bytes: 0, asks: false }
}
