/** New and changed review rules that ask what this gateway's configuration does not have: such a rule would never match. */

import { nearest } from '../config/nearest.ts'
import { throwProblems } from '../config/yaml-source.ts'
import type { Proposal } from './apply.ts'

export interface KnownOutside {
  readonly calendars: readonly string[]
  readonly ticketCheck: boolean
}

/** Throws `RESOURCE_INVALID`. */
export function refuseUnknownCalendars(
  { described, planned }: Proposal,
  { calendars, ticketCheck }: KnownOutside,
): void {
  const changed = new Set(planned.plan.changes.flatMap(({ kind, name }) => (kind === 'review-rule' ? [name] : [])))
  const problems = described.flatMap(({ kind, value, at }) => {
    if (kind !== 'review-rule' || !changed.has(value.name)) return []
    const { onCall, ticket } = value.when
    const found = []
    if (onCall !== undefined && !calendars.includes(onCall.calendar)) {
      const guess = nearest(onCall.calendar, [...calendars])
      const meant = guess === undefined ? '' : `; did you mean ${guess}?`
      const known = calendars.length === 0 ? 'it has none' : calendars.join(', ')
      const message = `The gateway's configuration has no calendar ${onCall.calendar}${meant} (${known}).`
      found.push(at(['when', 'onCall', 'calendar'], message))
    }
    if (ticket !== undefined && !ticketCheck)
      found.push(at(['when', 'ticket'], "The gateway's configuration has no ticketCheck: nobody is asked for tickets."))
    return found
  })
  if (problems.length > 0) throwProblems('RESOURCE_INVALID', problems)
}
