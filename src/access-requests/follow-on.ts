/** What follows on an approval at once, in its transaction: access begins, or the access that it is more time for lasts longer. */

import type { Database } from '../database/database.ts'
import type { Clock } from '../shared/clock.ts'
import type { Acts } from './act.ts'
import type { By } from './actor.ts'
import type { Tell } from './change.ts'
import type { RequestedAccess } from './request.ts'
import { plannedEndOf } from './transition.ts'

interface Parts {
  readonly acts: Pick<Acts, 'act'>
  readonly clock: Clock
}

export type FollowOn = ReturnType<typeof createFollowOn>

/** `base`: the request that gets more time by it. */
export function createFollowOn({ acts: { act }, clock }: Parts) {
  /** What is approved for now has begun. */
  async function begin(on: Database, tell: Tell, request: RequestedAccess): Promise<RequestedAccess> {
    const { state } = request
    if (state.is !== 'approved' || state.begins.with !== 'time' || state.startsAt > clock.now()) return request
    const active = await act(request, { act: 'begin', at: clock.now() }, on)
    await tell('began', active, { by: 'gateway' })
    return active
  }

  /** The request that gets more time has it, where it is not over. */
  async function extend(
    on: Database,
    tell: Tell,
    extension: RequestedAccess,
    base: RequestedAccess | undefined,
    by: By,
  ): Promise<RequestedAccess> {
    const until = base?.withdrawn === undefined ? base && plannedEndOf(base) : undefined
    const now = clock.now()
    const isTime = until !== undefined && until > now
    const words = isTime ? 'the request has its time' : 'the request that it would extend is over'
    const ended = await act(extension, { act: 'end', at: now, by: 'gateway', words }, on)
    if (isTime) {
      const endsAt = until + (extension.state.given ?? extension.wish).lengthMs
      const extended = await act(base!, { act: 'extend', endsAt }, on)
      await tell('extended', extended, by, { extension: extension.id })
    }
    await tell('ended', ended, { by: 'gateway' })
    return ended
  }

  return (on: Database, tell: Tell, request: RequestedAccess, base: RequestedAccess | undefined, by: By) =>
    request.extensionOf === undefined ? begin(on, tell, request) : extend(on, tell, request, base, by)
}
