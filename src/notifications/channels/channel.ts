/** What a channel is: one way by which a message reaches somebody. */

import type { Secret } from '../../shared/secret.ts'
import type { NotificationKind } from '../kinds.ts'
import type { ChannelFacts } from '../recipients.ts'

export interface Message {
  /** Of this delivery, the same for each try: who gets it twice knows it by that. */
  readonly id: string
  readonly kind: NotificationKind
  /** When it happened, in milliseconds since the epoch. */
  readonly at: number
  /** Safe to show, as are the lines: `bounded` made them so. */
  readonly subject: string
  readonly lines: readonly string[]
  readonly link: { readonly command: string; readonly url: string | undefined } | undefined
  /** The person whom it is for. Undefined: to whom the channel itself reaches. */
  readonly to: { readonly user: string; readonly address: string } | undefined
}

export interface Channel extends ChannelFacts {
  readonly kind: 'email' | 'webhook' | 'slack' | 'teams'
  /** Whether a person needs an e-mail address to be reached. */
  readonly needsAddress: boolean
  readonly content: 'full' | 'brief'
  /** Whether many that wait for the same come in one message: people read it, programs count. */
  readonly combines: boolean
  /**
   * Resolves when it was taken over there. Throws JobFailed, or JobRefused where trying again is of no use: in words for administrators,
   * which hold nothing that the other side said.
   */
  send(message: Message, signal: AbortSignal): Promise<void>
}

/** What is in the files that the configuration names. */
export interface ChannelFiles {
  readonly ca: string | undefined
  readonly secret: Secret | undefined
}
