/** Lists of factors: whoever proves one of the lists in full has proven enough. */

import { type Factor, FIRST_FACTORS, mayComeFirst } from './factors.ts'

export type FactorLists = readonly (readonly Factor[])[]

/** Whether one list is proven in full. An empty list proves nothing: it can never be satisfied (warpgate#129). */
export function provenEnough(lists: FactorLists, proven: ReadonlySet<Factor>): boolean {
  return lists.some(list => list.length > 0 && list.every(factor => proven.has(factor)))
}

/**
 * What may be proven next: of each list, its first factor that is missing, since lists are proven in order, but for a code
 * that comes before a first factor. A list drops out where
 * another one, of which something is proven already, lacks only a part of what this one lacks: after an accepted key, beside
 * `publickey and totp`, the way by `password and totp` leads nowhere that the code alone does not. Clients that have a password
 * try it wherever it is offered, and paramiko has the code in its place.
 */
export function nextFactors(lists: FactorLists, proven: ReadonlySet<Factor>): Factor[] {
  const ways = lists.map(list => ({ begun: list.some(has), missing: list.filter(factor => !has(factor)) }))
  const open = ways.filter(way => !ways.some(other => other.begun && isPart(other.missing, way.missing)))
  const mayBeLater = FIRST_FACTORS.some(has)
  const next = open.flatMap(({ missing }) => missing.filter(factor => mayBeLater || mayComeFirst(factor)).slice(0, 1))
  return next.length === 0 && !mayBeLater ? [...FIRST_FACTORS] : [...new Set(next)]

  function has(factor: Factor): boolean {
    return proven.has(factor)
  }
}

function isPart(some: readonly Factor[], all: readonly Factor[]): boolean {
  return some.length < all.length && some.every(factor => all.includes(factor))
}

/** `publickey and totp, or password and totp` */
export function formatFactorLists(lists: FactorLists): string {
  return lists.map(list => list.join(' and ')).join(', or ')
}
