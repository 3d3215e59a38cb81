/** What a person may ask for: the offers of their roles, the least that serves first. */

import type { Channel } from '../protocols/registered.ts'
import { LEVELS } from '../shared/vocabulary.ts'
import type { Account, Target } from '../targets/target.ts'
import { offeredChannels } from './approved.ts'
import { type AccessFacts, appliesTo } from './evaluate-role.ts'
import { channelsFor, matchesAccount, matchesTarget } from './match.ts'
import { type Offer, offerName, stagesOf, stageText } from './on-request.ts'
import type { Role } from './role.ts'

/** An account that may be asked for, and by which role. */
export interface Offered {
  readonly role: Role
  readonly offer: Offer
  readonly name: string
  readonly account: Account
  readonly target: Target
  readonly channels: readonly Channel[]
}

export interface Wanted {
  readonly account?: string | undefined
  readonly level?: Account['level'] | undefined
}

/**
 * The accounts of a target that the roles offer, of those that are wanted: the lowest level first, then in the order of the roles. Hours,
 * sources and factors are not asked about: they are asked about when it is used.
 */
export function offersFor(roles: readonly Role[], target: Target, wanted: Wanted): Offered[] {
  const found = roles.flatMap(role => {
    const { onRequest = [] } = role
    const ofProtocol: readonly Channel[] = channelsFor(role, target.protocol)
    if (!role.protocols.includes(target.protocol) || !matchesTarget(role.targets, target)) return []
    return onRequest.flatMap(offer =>
      target.accounts
        .filter(account => matchesAccount(offer.accounts, account) && isWanted(account, wanted))
        .map(account => ({
          ...{ role, offer, account, target, name: offerName(offer) },
          channels: offeredChannels(role, offer).filter(channel => ofProtocol.includes(channel)),
        })),
    )
  })
  return found.sort((a, b) => LEVELS.indexOf(a.account.level) - LEVELS.indexOf(b.account.level))
}

/** Which of these would be given if they were asked for and approved: for whoever was refused without. */
export function offeredInstead(facts: AccessFacts): Offered[] {
  const { target, request, roles } = facts
  if (target === undefined) return []
  return offersFor(roles, target, { account: request.account }).filter(({ role, account, channels }) =>
    appliesTo({ ...role, accounts: { names: [account.name] }, channels: [...channels] }, facts, account),
  )
}

/** For the person, whose own role offers it. */
export function needsApproval({ account, target, offer }: Pick<Offered, 'account' | 'target' | 'offer'>): string {
  const [first, ...later] = stagesOf(offer)
  const more = later.length === 0 ? '' : ', and others after them'
  return `Access denied: ${account.name}@${target.name} is given on request, approved by ${stageText(first!)}${more}.`
}

function isWanted(account: Account, wanted: Wanted): boolean {
  if (wanted.account !== undefined && account.name !== wanted.account) return false
  return wanted.level === undefined || account.level === wanted.level
}
