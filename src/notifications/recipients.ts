/** Who is told by which channel: decided when a notification is written, from the channels that there are and what people want. */

import { matchesKind, type NotificationKind } from './kinds.ts'
import type { Recipient } from './notification.ts'

/** What deciding needs to know of a channel. */
export interface ChannelFacts {
  readonly name: string
  /** Patterns of kinds. */
  readonly events: readonly string[]
  /** Whether it reaches people one by one. */
  readonly people: boolean
  /** Whether it reaches somebody by itself: addresses of its own, a chat, a receiver. */
  readonly own: boolean
}

/** One row of what a person wants. */
export interface Preference {
  readonly user: string
  readonly kind: string
  readonly channel: string
  readonly wanted: boolean
}

/** `user` undefined: to whom the channel itself reaches. */
export interface Addressee {
  readonly channel: string
  readonly user: string | undefined
}

/** Each once. A person is told by every channel that reaches people, unless they want it otherwise. */
export function addressees(
  { kind, to }: { readonly kind: NotificationKind; readonly to: readonly Recipient[] },
  channels: readonly ChannelFacts[],
  preferences: readonly Preference[],
): Addressee[] {
  const found = new Map<string, Addressee>()
  const add = (channel: string, user?: string) => found.set(`${channel} ${user ?? ''}`, { channel, user })
  for (const recipient of to) {
    if (recipient === 'administrators') {
      for (const { name, own, events } of channels) {
        if (own && events.some(pattern => matchesKind(pattern, kind))) add(name)
      }
    } else if ('channel' in recipient) {
      if (channels.some(({ name, own }) => own && name === recipient.channel)) add(recipient.channel)
    } else {
      for (const { name, people } of channels) {
        if (people && isWanted(recipient.user, kind, name, preferences)) add(name, recipient.user)
      }
    }
  }
  return [...found.values()]
}

/** What is said more closely counts: a kind before its group, that before all kinds; a channel before all channels. */
export function isWanted(user: string, kind: string, channel: string, preferences: readonly Preference[]): boolean {
  const closeness = (one: Preference) =>
    2 * (one.kind === '*' ? 0 : one.kind.endsWith('.*') ? 1 : 2) + (one.channel === '*' ? 0 : 1)
  const fitting = preferences
    .filter(one => one.user === user && matchesKind(one.kind, kind) && ['*', channel].includes(one.channel))
    .sort((a, b) => closeness(b) - closeness(a))
  return fitting[0]?.wanted ?? true
}
