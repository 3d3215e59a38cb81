/** What becomes of open requests with a change of users, roles or targets, in its transaction: what one rests on never was there again. */

import type { Database } from '../database/database.ts'
import type { Offered } from '../policy/offers.ts'
import type { Clock } from '../shared/clock.ts'
import { addressOf } from './choose-offer.ts'
import { groundOf, groundStores, stillOpened, whyOver } from './ground.ts'
import { type AskedAccess, isOpen, type RequestedAccess } from './request.ts'
import { createRequestRows, type RequestGround, type RequestRows } from './request-rows.ts'
import { targetNames } from './which-targets.ts'

const PAGE = 500

/**
 * `changed`: the names of those that were changed or removed. Under the lock of `holdPolicy`. Requests whose ground is gone are withdrawn; those for several targets lose the ones that are not opened
 * any more.
 */
export async function withdrawRequests(
  changed: RequestGround,
  parts: { readonly database: Database; readonly clock: Clock },
): Promise<void> {
  const { database: on } = parts
  const rows = createRequestRows(on)
  const stores = groundStores(parts)
  for await (const all of rows.open(PAGE, on, changed)) {
    const some = all.filter(request => request.withdrawn === undefined && restsOn(request, changed))
    if (some.length === 0) continue
    const ground = await groundOf(some, stores)
    const over = Map.groupBy(some, request => whyOver(request, ground))
    for (const [words, those] of over) {
      const ids = those.map(({ id }) => id)
      if (words !== undefined) await rows.withdraw(ids, words, on)
    }
    for (const request of over.get(undefined) ?? []) await narrow(request, stillOpened(request, ground), rows, on)
  }
}

function restsOn(request: RequestedAccess, { users, roles, targets }: RequestGround): boolean {
  return (
    users.has(request.user) || roles.has(request.role) || (targetNames(request) ?? []).some(name => targets.has(name))
  )
}

/** To what it opens still, where it was for more by name. */
async function narrow(request: RequestedAccess, opened: readonly Offered[], rows: RequestRows, on: Database) {
  for (let now: RequestedAccess | undefined = request; now !== undefined && isOpen(now); ) {
    const { state } = now
    if (state.given === undefined || targetNames(now) === undefined) return
    const given = narrowed(state.given, opened)
    if (given === undefined) return
    const narrower = { ...now, revision: now.revision + 1, state: { ...state, given } as RequestedAccess['state'] }
    if (await rows.change(now, narrower, on)) return
    // It began, or ended, at this moment.
    now = await rows.get(request.id, on)
  }
}

/** Undefined: it is for no more. */
function narrowed(given: AskedAccess, opened: readonly Offered[]): AskedAccess | undefined {
  const names = (given.targets.names ?? []).filter(name => opened.some(({ target }) => target.name === name))
  const opens = given.opens && opened.map(addressOf)
  if (names.length === given.targets.names?.length && opens?.length === given.opens?.length) return undefined
  return { ...given, targets: { names }, ...(opens === undefined ? {} : { opens }) }
}
