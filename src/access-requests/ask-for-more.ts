/** Asking for more time. */

import type { Offer } from '../policy/on-request.ts'
import { requestCommand } from '../policy/request-command.ts'
import { checkWords } from '../policy/wish-words.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import { type Actor, byOf } from './actor.ts'
import type { Changes } from './change.ts'
import { type AskWish, lengthOf } from './choose-offer.ts'
import { MOST_OPEN, type NewRequests } from './new-request.ts'
import type { OfferedNow } from './offered.ts'
import { type RequestedAccess, stateWords, unknownRequest } from './request.ts'
import type { RequestRows } from './request-rows.ts'
import { plannedEndOf } from './transition.ts'

interface Parts {
  readonly rows: Pick<RequestRows, 'get' | 'list'>
  readonly offered: Pick<OfferedNow, 'offerOf'>
  readonly newRequests: Pick<NewRequests, 'prepare'>
  readonly changes: Pick<Changes, 'change'>
  readonly clock: Clock
}

type MoreWish = Pick<AskWish, 'forMs' | 'reason' | 'ticket'>

export function createAskForMore({ rows, offered, newRequests, changes, clock }: Parts) {
  /** Throws where there is nothing to extend. */
  async function extendable(person: Actor, id: string, now: number) {
    const base = await rows.get(id)
    if (base === undefined || base.user !== person.user) throw unknownRequest()
    const until = plannedEndOf(base)
    if (until === undefined || until <= now || base.withdrawn !== undefined)
      throw new GatewayError('CONFLICT', `The request is ${stateWords(base)}: there is no time to extend.`)
    const found = await offered.offerOf(base.role, base.offer)
    if (found === undefined) throw new GatewayError('CONFLICT', 'The role does not offer it any more.')
    if (!found.offer.extend) throw new GatewayError('FORBIDDEN', 'This access is not extended: ask for it anew.')
    return { base, until, ...found }
  }

  /** More time for one's own request, which is approved and not over: decided like a new one. Throws as `ask` does, and `NOT_FOUND`. */
  return async (person: Actor, id: string, wish: MoreWish): Promise<RequestedAccess> => {
    const now = clock.now()
    const { base, until, offer, role } = await extendable(person, id, now)
    const request = extensionOf(base, { person, wish, offer, until, now })
    return changes.change(async () => {
      const restsOn = { role, offer, by: byOf(person), base: await rows.get(base.id) }
      const insert = await newRequests.prepare(request, restsOn)
      return async (on, tell) => {
        const open = await rows.list({ user: person.user, states: ['pending'], limit: MOST_OPEN }, on)
        if (open.some(one => one.extensionOf === base.id))
          throw new GatewayError('CONFLICT', 'You have asked for more time already, and nobody has decided yet.')
        return insert(on, tell)
      }
    })
  }
}

interface More {
  readonly person: Actor
  readonly wish: MoreWish
  readonly offer: Offer
  /** When the base ends. */
  readonly until: number
  readonly now: number
}

function extensionOf(base: RequestedAccess, { person, wish, offer, until, now }: More): RequestedAccess {
  const words = checkWords(offer, wish, 'More time', requestCommand(person.user, `extend ${base.id}`, offer))
  const { startsAt: _, ...same } = base.state.given!
  const asked = { ...same, lengthMs: lengthOf(wish.forMs, offer.maxTime) }
  return {
    ...{ id: newId('req', now), kind: 'access', user: person.user, role: base.role, offer: base.offer },
    wish: { ...asked, ...words, source: person.sourceAddress, clock: 'approval' },
    extensionOf: base.id,
    ...{ askedAt: now, revision: 1 },
    state: {
      ...{ is: 'pending', stage: 0, stageSince: now, given: asked },
      expiresAt: Math.min(now + offer.validFor, until),
    },
  }
}
