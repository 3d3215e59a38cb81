/** The way to a target: the SSH hosts that its connections go through, as the entries' `via` says. */

import { parseAccountAddress } from '../shared/names.ts'
import type { Account, Target } from './target.ts'

export const MOST_HOPS = 3

export interface Hop {
  readonly target: Extract<Target, { protocol: 'ssh' }>
  /** Which of its accounts is logged in to. */
  readonly account: Account
}

/** As far as its name goes. */
export interface NamedHop {
  readonly target: Pick<Target, 'name'>
  readonly account: Pick<Account, 'name'>
}

/** `hops`: in the order in which they are connected to; none for a target that is reached directly. */
export type Route =
  | { readonly kind: 'open'; readonly hops: readonly Hop[] }
  /** `at`: the target whose entry says what cannot be. */
  | { readonly kind: 'broken'; readonly at: string; readonly why: string }

export type FindTarget = (name: string) => Target | undefined | Promise<Target | undefined>

/** Follows `via` from a target to the gateway. What is wrong with it is returned, not thrown. */
export async function findRoute(target: Target, find: FindTarget): Promise<Route> {
  const hops: Hop[] = []
  const passed = [target.name]
  let at: Target = target
  while (at.via !== undefined) {
    const broken = (why: string): Route => ({ kind: 'broken', at: at.name, why })
    const { account: wanted, target: name } = readVia(at.via)
    if (passed.includes(name)) return broken(`via goes in a circle: ${[...passed, name].join(' via ')}.`)
    passed.push(name)
    if (hops.length === MOST_HOPS) return broken(`There are more than ${MOST_HOPS} hops: ${passed.join(' via ')}.`)
    const next = await find(name)
    if (next === undefined) return broken(`There is no target ${name} to go via.`)
    if (next.protocol !== 'ssh') return broken(`${name} is a ${next.protocol} target: only SSH hosts can be gone via.`)
    const account = accountOf(next, wanted)
    if (typeof account === 'string') return broken(account)
    hops.unshift({ target: next, account })
    at = next
  }
  return { kind: 'open', hops }
}

/** `bastion-1`, or `svc@bastion-1`. */
export function readVia(via: string): { readonly account?: string; readonly target: string } {
  return via.includes('@') ? (parseAccountAddress(via) ?? { target: via }) : { target: via }
}

/** As people and the audit log read it: `svc@bastion-1`. */
export function hopName({ account, target }: NamedHop): string {
  return `${account.name}@${target.name}`
}

/** The account that `via` names, or the default one, or the only one; else why there is none. */
function accountOf({ name, accounts }: Target, wanted: string | undefined): Account | string {
  if (wanted !== undefined) {
    return accounts.find(account => account.name === wanted) ?? `${name} has no account ${wanted} to go via.`
  }
  const chosen = accounts.find(account => account.default) ?? (accounts.length === 1 ? accounts[0] : undefined)
  if (chosen !== undefined) return chosen
  return accounts.length === 0
    ? `${name} has no account to go via.`
    : `${name} has several accounts and none is the default: say which, as in via: ${accounts[0]!.name}@${name}.`
}
