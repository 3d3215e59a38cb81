/** What approved requests add to a person's roles: never more than the role offers now. */

import { type Channel, channelNames } from '../protocols/registered.ts'
import { formatAccountAddress } from '../shared/names.ts'
import type { Target } from '../targets/target.ts'
import { commonDatabases } from './databases.ts'
import { matchesAccount, matchesTarget } from './match.ts'
import { type Offer, offerName } from './on-request.ts'
import type { Role } from './role.ts'

/** A request that was approved: a fact of the decision, of the user who asks. */
export interface ApprovedAccess {
  /** `req_…` */
  readonly request: string
  readonly role: string
  /** By {@link offerName}. */
  readonly offer: string
  readonly targets: Role['targets']
  readonly accounts: Role['accounts']
  /** These of them alone, as `root@web-01`. */
  readonly opens?: readonly string[] | undefined
  readonly channels: readonly Channel[]
  /** Not given: those of the role. */
  readonly databases?: readonly string[] | undefined
  /** Milliseconds since the epoch. */
  readonly startsAt: number
  readonly endsAt: number
}

/** A role as it counts in a decision: what it gives outright, or (`by`) what one approved request has of it. */
export type CountedRole = Role & { readonly by?: ApprovedAccess }

/** For a target: what the roles give outright, and then what approved requests have of them as they are now. */
export function countedRoles(
  roles: readonly Role[],
  approved: readonly ApprovedAccess[] | undefined,
  target: Target | undefined,
): readonly CountedRole[] {
  if (target === undefined || approved === undefined || approved.length === 0) return roles
  return [...roles, ...approved.flatMap(one => roles.flatMap(role => partOf(role, one, target)))]
}

/** What the request has of the role on this target: the part of the offer that was approved, under the role's terms. */
function partOf(role: Role, by: ApprovedAccess, target: Target): CountedRole[] {
  if (role.name !== by.role || !matchesTarget(by.targets, target)) return []
  const offer = role.onRequest?.find(one => offerName(one) === by.offer)
  if (offer === undefined) return []
  const names = target.accounts
    .filter(account => matchesAccount(offer.accounts, account) && isOpenedBy(by, account.name, target.name))
    .filter(account => matchesAccount(by.accounts, account))
    .map(({ name }) => name)
  if (names.length === 0) return []
  return [
    {
      ...role,
      accounts: { names },
      channels: offeredChannels(role, offer).filter(channel => by.channels.includes(channel)),
      databases: commonDatabases(role.databases, by.databases, target),
      by,
    },
  ]
}

/** Whether it was among those that the request opened when it was asked. */
export function isOpenedBy({ opens }: Pick<ApprovedAccess, 'opens'>, account: string, target: string): boolean {
  return opens === undefined || opens.includes(formatAccountAddress({ account, target }))
}

/** Of the role's channels those that the offer opens. */
export function offeredChannels(role: Pick<Role, 'channels'>, offer: Pick<Offer, 'channels'>): Channel[] {
  const { channels = role.channels } = offer
  return channelNames().filter(channel => channels.includes(channel) && role.channels.includes(channel))
}

/**
 * Of the roles that hold, those that count: what is given outright, and of approved requests the one that adds the most to it, and lasts
 * longest, where one adds anything. So a request that adds nothing makes nothing shorter.
 */
export function withBestRequest<T extends { readonly role: CountedRole; readonly endsAt: number }>(
  holding: readonly T[],
  addedBy: (role: CountedRole, outright: readonly CountedRole[]) => number,
): readonly T[] {
  const outright = holding.filter(({ role }) => role.by === undefined)
  const given = outright.map(({ role }) => role)
  const [best] = holding
    .filter(({ role }) => role.by !== undefined)
    .map(one => ({ one, added: addedBy(one.role, given) }))
    .filter(({ added }) => added > 0)
    .sort((a, b) => b.added - a.added || b.one.endsAt - a.one.endsAt)
  return best === undefined ? outright : [...outright, best.one]
}
