/** What people read of a check-out that they cannot have now, and of times. */

import { isoMinute, pastMinute } from '../shared/text/iso-time.ts'
import type { CheckOutRule } from '../targets/target.ts'
import type { Obstacle } from './take.ts'

/** When it ends, rounded up; when it has ended, rounded down: nothing has ended in a minute to come. */
export function untilMinute({ until, endedAt }: { readonly until: string; readonly endedAt: string | null }): string {
  return endedAt === null ? isoMinute(Date.parse(until)) : pastMinute(Date.parse(endedAt))
}

/** Who has it is named only to those who may know. */
export function obstacleText(name: string, obstacle: Obstacle, seesHolder: boolean): string {
  switch (obstacle.why) {
    case 'held': {
      const { user, until } = obstacle.by
      return `${name} is checked out${seesHolder ? ` by ${user}` : ''} until ${isoMinute(until)}.`
    }
    case 'turn': {
      const until = obstacle.until === undefined ? '' : ` until ${isoMinute(obstacle.until)}`
      return `${name} is free, and it is the turn of somebody who asked before${until}.`
    }
    case 'sessions':
      return `${name} is in use: ${obstacle.count === 1 ? 'a session of somebody else is' : `${obstacle.count} sessions of others are`} open on it.`
  }
}

/** What somebody types to have it, with all that the account's entry demands. A shell takes one pair of quotes away. */
export function checkOutCommand(
  user: string,
  name: string,
  { reason, ticket }: Pick<CheckOutRule, 'reason' | 'ticket'>,
  ...options: string[]
): string {
  return [
    `ssh ${user}@gateway checkout ${name}`,
    ...options,
    ...(reason === 'required' ? [`--reason "'...'"`] : []),
    ...(ticket === undefined ? [] : ['--ticket ...']),
  ].join(' ')
}
