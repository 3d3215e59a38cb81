/** Ending a request before its time: cancelled by its own user, revoked by others. */

import { checkText } from '../policy/wish-words.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import type { Acts } from './act.ts'
import { type Actor, type By, byOf } from './actor.ts'
import type { Changes } from './change.ts'
import type { Deciding } from './may-decide.ts'
import { type RequestedAccess, stateWords, unknownRequest } from './request.ts'
import type { RequestRows } from './request-rows.ts'
import { dueAt } from './transition.ts'

interface Parts {
  readonly rows: Pick<RequestRows, 'get'>
  readonly deciding: Pick<Deciding, 'decided'>
  readonly acts: Pick<Acts, 'act'>
  readonly changes: Pick<Changes, 'change'>
  readonly clock: Clock
}

export type Ends = ReturnType<typeof createEnds>

export function createEnds({ rows, deciding, acts: { act }, changes, clock }: Parts) {
  /** Undefined where it is over, or never was. */
  function endBy(
    id: string,
    how: 'cancel' | 'revoke',
    by: By & { words?: string | undefined },
  ): Promise<RequestedAccess | undefined> {
    return changes.change(async () => {
      const request = await rows.get(id)
      return async (on, tell) => {
        if (request === undefined || dueAt(request) === undefined) return undefined
        const ended = await act(request, { act: how, at: clock.now(), by: by.by, words: by.words }, on)
        await tell(ended.state.is as 'cancelled' | 'ended' | 'revoked', ended, by)
        return ended
      }
    })
  }

  return {
    endBy,

    /** One's own: withdrawn, or given back. Throws `NOT_FOUND` and `CONFLICT`. */
    async cancel(person: Pick<Actor, 'user' | 'session'>, id: string): Promise<RequestedAccess> {
      const request = await rows.get(id)
      if (request === undefined || request.user !== person.user) throw unknownRequest()
      return (await endBy(id, 'cancel', byOf(person))) ?? overAlready((await rows.get(id)) ?? request)
    },

    /** By somebody who has approved it. Throws `NOT_FOUND` and `CONFLICT`. */
    async revokeAsApprover(person: Actor, id: string, given: string | undefined): Promise<RequestedAccess> {
      const words = checkText('reason', given)
      const request = await rows.get(id)
      if (request === undefined || !(await deciding.decided(request, person.user))) throw unknownRequest()
      return (await endBy(id, 'revoke', { ...byOf(person), words })) ?? overAlready((await rows.get(id)) ?? request)
    },

    /** By somebody with that right. Undefined where it is over, or never was. */
    revoke: (id: string, by: string, words: string | undefined): Promise<RequestedAccess | undefined> =>
      endBy(id, 'revoke', { by, words: checkText('reason', words) }),
  }
}

function overAlready(request: RequestedAccess): never {
  throw new GatewayError('CONFLICT', `The request is ${stateWords(request)} already.`)
}
