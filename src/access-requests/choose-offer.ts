/** Which offer somebody means by what they ask for: the least that covers it. Facts in; throws what is said to them. */

import { isOpenedBy } from '../policy/approved.ts'
import { type Offered, offersFor } from '../policy/offers.ts'
import { offerName } from '../policy/on-request.ts'
import type { Role } from '../policy/role.ts'
import { type Channel, channelNames } from '../protocols/registered.ts'
import { durationWords } from '../shared/durations.ts'
import { GatewayError } from '../shared/errors.ts'
import { formatAccountAddress } from '../shared/names.ts'
import { LEVELS } from '../shared/vocabulary.ts'
import type { Account, Target } from '../targets/target.ts'
import type { AskedAccess } from './request.ts'
import { exactNames, type WhichTargets } from './which-targets.ts'

export interface AskWish {
  readonly on: WhichTargets
  readonly account?: string | undefined
  readonly level?: Account['level'] | undefined
  /** Where several roles offer it. */
  readonly role?: string | undefined
  readonly channels?: readonly string[] | undefined
  readonly databases?: readonly string[] | undefined
  readonly forMs?: number | undefined
  /** Milliseconds since the epoch; not given: at once. */
  readonly startsAt?: number | undefined
  readonly reason?: string | undefined
  readonly ticket?: string | undefined
  /** So long it waits for its decision at most; not given: as long as the offer says. */
  readonly waitMs?: number | undefined
  /** The request template that filled it in. */
  readonly template?: string | undefined
  /** A role that gives it for good. */
  readonly permanent?: boolean | undefined
}

/** As it is typed: what a template fills in may be left out. */
export type TypedAsk = Omit<AskWish, 'on'> & { readonly on?: WhichTargets | undefined }

export interface Chosen {
  readonly role: Role
  readonly offer: Offered['offer']
  readonly asked: AskedAccess
  /** Of one target: an account of a lower level that would do as well. */
  readonly lower: { readonly account: string; readonly level: Account['level'] } | undefined
}

/** Of a wish that does not say, where the offer allows as much. */
const USUAL_MS = 3_600_000
const MOST_TARGETS = 1000
const FARTHEST_MS = 90 * 86_400_000

/** Whoever has no such offer learns nothing of what there is. */
export const NOT_OFFERED = 'None of your roles gives that on request, or it does not exist.'

/** Throws `BAD_REQUEST` and `ACCESS_DENIED`. */
export function chooseOffer(roles: readonly Role[], targets: readonly Target[], wish: AskWish, now: number): Chosen {
  const channels = wish.channels && [...new Set(wish.channels.map(readChannel))]
  const all = targets
    .flatMap(target => offersFor(roles, target, wish))
    .filter(offered => isMeant({ role: wish.role, channels }, offered))
  const [first] = all.toSorted((a, b) => levelOf(a) - levelOf(b))
  if (first === undefined) throw new GatewayError('ACCESS_DENIED', NOT_OFFERED)
  const { role, offer, account } = first
  const one = 'target' in wish.on
  const same = all.filter(other => other.role === role && other.offer === offer)
  const lower =
    one && (wish.account !== undefined || wish.level !== undefined)
      ? targets
          .flatMap(target => offersFor(roles, target, {}))
          .find(
            other => levelOf(other) < levelOf(first) && (channels ?? []).every(each => other.channels.includes(each)),
          )
      : undefined
  return {
    ...{ role, offer },
    asked: {
      ...('target' in wish.on
        ? { targets: { names: [wish.on.target] } }
        : ofThese(
            { targets: wish.on.selector },
            same.filter(other => wish.account !== undefined || other.account.level === account.level),
          )),
      accounts: one || wish.account !== undefined ? { names: [account.name] } : { levels: [account.level] },
      channels: channels ?? channelNames().filter(channel => same.some(other => other.channels.includes(channel))),
      ...(wish.databases === undefined ? {} : { databases: wish.databases }),
      lengthMs: lengthOf(wish.forMs, offer.maxTime),
      ...(wish.startsAt === undefined ? {} : { startsAt: checkStart(wish.startsAt, now) }),
    },
    lower: lower && { account: `${lower.account.name}@${lower.target.name}`, level: lower.account.level },
  }
}

/** By that role, where it is said, and with all of these channels. */
export function isMeant(
  { role, channels = [] }: { readonly role?: string | undefined; readonly channels?: readonly Channel[] | undefined },
  offered: Offered,
): boolean {
  return (role === undefined || offered.role.name === role) && channels.every(one => offered.channels.includes(one))
}

/** The same by the names of its targets and accounts: it opens nothing that is added, or gets the labels or the level, later. */
export function ofThese<T extends Pick<AskedAccess, 'targets' | 'chosenBy' | 'opens'>>(
  asked: T,
  opened: readonly Offered[],
): T {
  if (exactNames(asked) !== undefined) return asked
  const names = [...new Set(opened.map(({ target }) => target.name))].sort()
  if (names.length > MOST_TARGETS)
    throw bad(`That opens ${names.length} targets, and it is for ${MOST_TARGETS} at most: choose fewer.`)
  return { ...asked, targets: { names }, chosenBy: asked.targets, opens: opened.map(addressOf) }
}

/** The accounts that it opens, of these targets, as the role offers them now. */
export function openedBy(role: Role, offer: string, asked: AskedAccess, targets: readonly Target[]): Offered[] {
  const { names = [], levels = [] } = asked.accounts
  return targets.flatMap(target =>
    offersFor([role], target, {}).filter(
      one =>
        offerName(one.offer) === offer &&
        (names.includes(one.account.name) || levels.includes(one.account.level)) &&
        isOpenedBy(asked, one.account.name, target.name),
    ),
  )
}

/** `root@web-01` */
export function addressOf({ account, target }: Offered): string {
  return formatAccountAddress({ account: account.name, target: target.name })
}

/** For whoever does not say. */
export function usualLength({ maxTime }: Pick<Offered['offer'], 'maxTime'>): number {
  return Math.min(USUAL_MS, maxTime)
}

export function lengthOf(forMs: number | undefined, most: number): number {
  if (forMs === undefined) return usualLength({ maxTime: most })
  if (!(forMs > 0)) throw bad('--for must be more than 0s.')
  if (forMs > most) throw bad(`It is given for ${durationWords(most)} at most.`)
  return forMs
}

export function checkStart(startsAt: number, now: number): number {
  if (startsAt > now + FARTHEST_MS) throw bad('It can begin within 90 days.')
  if (startsAt < now - 60_000) throw bad('It cannot begin in the past.')
  return startsAt
}

export function readChannel(text: string): Channel {
  const channel = channelNames().find(name => name === text)
  if (channel === undefined) throw bad(`${text} is no channel (${channelNames().join(', ')}).`)
  return channel
}

function levelOf({ account }: Offered): number {
  return LEVELS.indexOf(account.level)
}

function bad(message: string): GatewayError {
  return new GatewayError('BAD_REQUEST', message)
}
