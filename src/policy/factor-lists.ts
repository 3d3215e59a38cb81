/** Lists of factors: whoever proves one of the lists in full has proven enough. */

import type { Factor } from './role.ts'

export type FactorLists = readonly (readonly Factor[])[]

/** Whether one list is proven in full. An empty list proves nothing: it can never be satisfied (warpgate#129). */
export function provenEnough(lists: FactorLists, proven: ReadonlySet<Factor>): boolean {
  return lists.some(list => list.length > 0 && list.every(factor => proven.has(factor)))
}

/** `publickey and totp, or password and totp` */
export function formatFactorLists(lists: FactorLists): string {
  return lists.map(list => list.join(' and ')).join(', or ')
}
