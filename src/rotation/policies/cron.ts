/** Set times: a cron expression in a time zone, read by `croner`. */

import { Cron } from 'croner'

export interface SetTimes {
  /** Five fields: minute, hour, day of the month, month, day of the week. */
  readonly cron: string
  /** As `Intl` names it. */
  readonly zone: string
}

const FIVE_FIELDS = /^\S+( \S+){4}$/

/**
 * The first of the times that is after this one; undefined where there is none. An hour that the zone's clocks skip is made up for when they
 * have skipped it; one that they repeat counts once. Throws where the expression or the zone is none.
 */
export function nextTime({ cron, zone }: SetTimes, after: number): number | undefined {
  return new Cron(cron, { timezone: zone, mode: '5-part', paused: true }).nextRun(new Date(after))?.getTime()
}

/** What is wrong with a cron expression; undefined: nothing is. */
export function whyNoCron(cron: string): string | undefined {
  const form = 'five fields: minute, hour, day of the month, month, day of the week, as in "0 3 * * sun"'
  if (!FIVE_FIELDS.test(cron)) return `a cron expression has ${form}`
  try {
    // From a fixed day on: whether it is right does not depend on today.
    if (nextTime({ cron, zone: 'UTC' }, Date.UTC(2024, 0, 1)) === undefined) return 'it never comes'
    return undefined
  } catch (error) {
    const words = (error as Error).message.replace(/^Cron\w+: /, '')
    return `${words}; a cron expression has ${form}`
  }
}
