/** What a request that is open rests on: its user, its role and offer, its target. */

import type { User } from '../identity/user.ts'
import { offerName } from '../policy/on-request.ts'
import type { Role } from '../policy/role.ts'
import type { Target } from '../targets/target.ts'
import type { AskWish } from './choose-offer.ts'
import type { AskedAccess, RequestedAccess } from './request.ts'

export interface Ground {
  readonly users: ReadonlyMap<string, User>
  readonly roles: ReadonlyMap<string, Role>
  readonly targets: ReadonlyMap<string, Target>
}

/** Why what is open gives nothing any more; undefined: it may go on. */
export function whyOver(request: RequestedAccess, { users, roles, targets }: Ground): string | undefined {
  const user = users.get(request.user)
  if (user === undefined) return 'its user was removed'
  if (user.disabled) return 'its user was disabled'
  if (!user.roles.includes(request.role)) return `its user does not hold the role ${request.role} any more`
  const { onRequest = [] } = roles.get(request.role) ?? {}
  if (!onRequest.some(offer => offerName(offer) === request.offer))
    return `the role ${request.role} does not offer it any more`
  const target = oneTargetOf(request)
  return target === undefined || targets.has(target) ? undefined : `there is no target ${target} any more`
}

/** Where it was asked for one target, by its name. */
export function oneTargetOf({ wish }: RequestedAccess): string | undefined {
  const on = onOf(wish)
  return 'target' in on ? on.target : undefined
}

/** The one target that it is for, or which ones. */
export function onOf({ targets }: Pick<AskedAccess, 'targets'>): AskWish['on'] {
  const [name] = targets.names ?? []
  const one = targets.names?.length === 1 && targets.labels === undefined && !name!.endsWith('*')
  return one ? { target: name! } : { selector: targets }
}
