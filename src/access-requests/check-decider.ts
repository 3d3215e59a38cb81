/** Whoever wants to decide: whether they may, and have proven what the offer asks for; and again within the transaction of their decision. */

import { isDeepStrictEqual } from 'node:util'
import type { AuditAppender } from '../audit/event.ts'
import type { Database } from '../database/database.ts'
import type { Documents } from '../database/documents.ts'
import { holdPolicy } from '../database/policy-lock.ts'
import type { User } from '../identity/user.ts'
import { createUsers } from '../identity/users.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import { type Actor, byOf } from './actor.ts'
import { Stale } from './change.ts'
import { refused } from './events.ts'
import { type Deciding, decidingOn } from './may-decide.ts'
import type { OfferedNow } from './offered.ts'
import { type RequestedAccess, stateWords, unknownRequest } from './request.ts'
import type { RequestRows } from './request-rows.ts'

interface Parts {
  readonly rows: Pick<RequestRows, 'get' | 'holdOf'>
  readonly users: Pick<Documents<User>, 'get'>
  readonly audit: Pick<AuditAppender, 'append'>
  readonly offered: Pick<OfferedNow, 'offerFor'>
  readonly deciding: Deciding
  readonly clock: Clock
}

/** The offer asks for a second factor of this moment. */
export class NeedsCode extends GatewayError {
  constructor() {
    super('ACCESS_DENIED', 'The decision needs a one-time code of this moment: --code, or answer when you are asked.')
  }
}

export type DeciderCheck = ReturnType<typeof createDeciderCheck>

export function createDeciderCheck({ rows, users, audit, offered, deciding, clock }: Parts) {
  async function deciderOf(person: Actor, id: string): Promise<{ request: RequestedAccess; user: User }> {
    const [request, user] = await Promise.all([rows.get(id), users.get(person.user)])
    if (request === undefined || user === undefined || user.disabled) throw unknownRequest()
    if (request.state.is !== 'pending') {
      const knows = request.user === person.user || (await deciding.decided(request, person.user))
      throw knows ? new GatewayError('CONFLICT', `The request is ${stateWords(request)} already.`) : unknownRequest()
    }
    return { request, user }
  }

  async function refuse(person: Actor, request: string, why: string): Promise<void> {
    await audit.append(refused(byOf(person), { request, why }))
  }

  return {
    /** Whether they may, and have proven what the offer asks for. `prove`: whether the code that was asked for this act is right. */
    async check(
      person: Actor,
      id: string,
      prove: (() => Promise<boolean>) | undefined,
    ): Promise<{ rule: string; factors: string }> {
      const { request, user } = await deciderOf(person, id)
      const may = await deciding.mayDecideOn(request, user)
      if (!may.may) {
        await refuse(person, id, may.why)
        if (!may.knows) throw unknownRequest()
        throw new GatewayError(request.withdrawn === undefined ? 'FORBIDDEN' : 'CONFLICT', may.why)
      }
      const { offer } = (await offered.offerFor(request)) ?? {}
      if (offer?.freshFactor === false) return { rule: may.rule, factors: '' }
      if (prove === undefined) throw new NeedsCode()
      if (!(await prove())) {
        await refuse(person, id, 'the second factor for the decision was wrong')
        throw new GatewayError('ACCESS_DENIED', 'The one-time code is not right, or has counted already.')
      }
      return { rule: may.rule, factors: 'totp' }
    },

    /** As it is now, and may be decided by them; `hold` sees to it, in the transaction, that it still may. */
    async stillTheirs(person: Actor, id: string) {
      const request = await rows.get(id)
      const user = await users.get(person.user)
      if (request?.state.is !== 'pending' || user === undefined)
        throw new GatewayError('CONFLICT', 'It waits for no decision any more.')
      const may = await deciding.mayDecideOn(request, user)
      if (!may.may) throw new GatewayError('CONFLICT', may.why)
      const seen = factsWithoutTime(may)
      async function hold(on: Database): Promise<void> {
        const { extensionOf } = request!
        await holdPolicy('read', on)
        await rows.holdOf(user!.name, extensionOf === undefined ? [id] : [id, extensionOf], on)
        // Somebody who approved it, or does now, may not any more; or the two approve each other's request at one instant.
        const [now] = await createUsers({ database: on, clock }).getAll([user!.name])
        const still = now && (await decidingOn({ database: on, clock }).mayDecideOn(request!, now))
        if (!still?.may || !isDeepStrictEqual(factsWithoutTime(still), seen)) throw new Stale()
      }
      return { request, given: request.state.given, facts: may.facts, rule: may.rule, user, hold }
    },
  }
}

function factsWithoutTime<T extends { rule: string; facts: { now: number } }>({ rule, facts }: T) {
  return { ...facts, rule, now: 0 }
}
