/** The commands that people are told to type, whole. */

import { protocolOf } from '../protocols/registered.ts'
import type { Offered } from './offers.ts'
import type { Offer } from './on-request.ts'

/** `ssh alice@gateway request root@web-01 --for 2h --reason "'...'"`: with what the offer demands. */
export function requestCommand(
  user: string,
  account: string,
  { reason, ticket }: Pick<Offer, 'reason' | 'ticket'>,
  ...options: string[]
): string {
  return [
    `ssh ${user}@gateway request ${account}`,
    ...options,
    ...(reason === 'required' ? [`--reason "'...'"`] : []),
    ...(ticket === undefined ? [] : ['--ticket ...']),
  ].join(' ')
}

/** For whoever was refused what they have asked for, and nobody has decided on yet. */
export function waitAdvice({ target, offer }: Offered): string | undefined {
  const { sayWords } = protocolOf(target.protocol).words
  return sayWords && `To wait for it: ${sayWords(offer.ticket !== undefined)}`
}

/** For whoever was refused what they may ask for. */
export function askAdvice(user: string, { account, target, offer }: Offered): string {
  const ask = `To ask for it: ${requestCommand(user, `${account.name}@${target.name}`, offer)}`
  const { sayWords } = protocolOf(target.protocol).words
  return sayWords === undefined ? ask : `${ask}\nOr ask and wait: ${sayWords(offer.ticket !== undefined)}`
}
