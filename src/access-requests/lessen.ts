/** What an approver gives of what was asked for: all of it, or less, and never more than the offer has now. */

import { offeredChannels } from '../policy/approved.ts'
import type { Offer } from '../policy/on-request.ts'
import type { Role } from '../policy/role.ts'
import { durationWords } from '../shared/durations.ts'
import { GatewayError } from '../shared/errors.ts'
import { checkStart, lengthOf, readChannel } from './choose-offer.ts'
import type { AskedAccess } from './request.ts'

/** What an approver gives of what is asked for: less, where it says something. */
export interface GivenLess {
  readonly forMs?: number | undefined
  readonly startsAt?: number | undefined
  readonly channels?: readonly string[] | undefined
}

/** Throws `BAD_REQUEST` where it is more than was asked for, or nothing. */
export function lessen(
  asked: AskedAccess,
  less: GivenLess,
  { role, offer, now }: { role: Role; offer: Offer; now: number },
): AskedAccess {
  const bad = (message: string) => new GatewayError('BAD_REQUEST', message)
  const wanted = less.channels?.map(readChannel) ?? asked.channels
  if (wanted.some(channel => !asked.channels.includes(channel))) throw bad('A channel was not asked for.')
  const offered = offeredChannels(role, offer)
  const channels = wanted.filter(channel => offered.includes(channel))
  if (channels.length === 0) throw bad('No channel is left of what was asked for.')
  if (less.forMs !== undefined && less.forMs > asked.lengthMs)
    throw bad(`It was asked for ${durationWords(asked.lengthMs)}: give that, or less.`)
  if (less.startsAt !== undefined && less.startsAt < (asked.startsAt ?? 0)) throw bad('It was asked for later.')
  const startsAt = less.startsAt === undefined ? asked.startsAt : checkStart(less.startsAt, now)
  return {
    ...asked,
    channels,
    lengthMs: Math.min(lengthOf(less.forMs ?? asked.lengthMs, asked.lengthMs), offer.maxTime),
    ...(startsAt === undefined ? {} : { startsAt }),
  }
}
