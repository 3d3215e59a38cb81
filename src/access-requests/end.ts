/** Ending a request before its time: cancelled by its own user, revoked by others. */

import type { Database } from '../database/database.ts'
import { holdPolicy } from '../database/policy-lock.ts'
import { holdRequests } from '../database/request-lock.ts'
import { checkText } from '../policy/wish-words.ts'
import type { Clock } from '../shared/clock.ts'
import { GatewayError } from '../shared/errors.ts'
import type { Acts } from './act.ts'
import { type Actor, type By, byOf } from './actor.ts'
import type { Changes, Tell } from './change.ts'
import type { Deciding } from './may-decide.ts'
import { type RequestedAccess, stateWords, unknownRequest } from './request.ts'
import type { RequestRows } from './request-rows.ts'
import { dueAt } from './transition.ts'

interface Parts {
  readonly rows: Pick<RequestRows, 'get' | 'getAll'>
  readonly deciding: Pick<Deciding, 'decided'>
  readonly acts: Pick<Acts, 'act'>
  readonly changes: Pick<Changes, 'change'>
  readonly clock: Clock
}

type HowEnded = By & { readonly words?: string | undefined }

export type Ends = ReturnType<typeof createEnds>

export function createEnds({ rows, deciding, acts: { act }, changes, clock }: Parts) {
  /** In somebody's transaction; undefined where it is over already. */
  async function endIn(
    request: RequestedAccess,
    how: 'cancel' | 'revoke',
    { by, words, ...more }: HowEnded,
    on: Database,
    tell: Tell,
  ): Promise<RequestedAccess | undefined> {
    if (dueAt(request) === undefined) return undefined
    const ended = await act(request, { act: how, at: clock.now(), by, words }, on)
    await tell(ended.state.is as 'cancelled' | 'ended' | 'revoked', ended, { by, ...more })
    return ended
  }

  /** Undefined where it is over, or never was. */
  function endBy(id: string, how: 'cancel' | 'revoke', by: HowEnded): Promise<RequestedAccess | undefined> {
    return changes.change(async () => {
      const request = await rows.get(id)
      return async (on, tell) => request && endIn(request, how, by, on, tell)
    })
  }

  return {
    endBy,

    /**
     * All of these, each for its reason (by id), in one transaction: no more than a few dozen. Throws `CONFLICT`, with nothing done, where
     * somebody changes one of them in this moment.
     */
    revokeTogether: (why: ReadonlyMap<string, string>, by: string): Promise<void> =>
      changes.change(async () => {
        const some = await rows.getAll([...why.keys()])
        return async (on, tell) => {
          // No change of roles, users or targets holds some of them meanwhile, and waits for others.
          await holdPolicy('read', on)
          await holdRequests('change', [...why.keys()], on)
          for (const request of some) await endIn(request, 'revoke', { by, words: why.get(request.id) }, on, tell)
        }
      }, 1),

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
