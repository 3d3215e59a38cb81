/** Conditions on the sessions themselves that roles give: the strictest of the roles that hold counts. */

import { z } from 'zod'
import { linearPattern } from '../shared/text/linear-pattern.ts'
import { ticketPattern } from '../targets/target.ts'

export const sessionConditionsSchema = z.strictObject({
  /** `one`: of one user, no second session rests on the role while one is live, on whichever of its accounts. */
  live: z.enum(['any', 'one']).default('any'),
  /** `required`: whoever logs in says why. */
  reason: z.enum(['required', 'optional']).default('optional'),
  /** A ticket of this form is demanded at the login. */
  ticket: ticketPattern.optional(),
})

type SessionConditions = z.output<typeof sessionConditionsSchema>

/** Of these roles those that allow a user one live session at a time. */
export function rolesWithOneLive(
  roles: readonly { readonly name: string; readonly session?: SessionConditions | undefined }[],
): string[] {
  return [...new Set(roles.filter(({ session }) => session?.live === 'one').map(({ name }) => name))]
}

/**
 * Of the user's live sessions the one that keeps another from beginning; undefined: it may begin. `oneLiveOf`: the roles of the new one that allow one
 * at a time. The `role` of a session is that of its grant: the names of the roles that give it, with commas between.
 */
export function liveAlready<S extends { readonly role: string }>(
  oneLiveOf: readonly string[],
  sessions: readonly S[],
): S | undefined {
  return sessions.find(({ role }) => role.split(',').some(name => oneLiveOf.includes(name)))
}

/** What somebody says of a session that they begin. Checked by `wish-words.ts`. */
export interface GivenWords {
  readonly reason?: string | undefined
  readonly ticket?: string | undefined
}

/** What must be said of a session before it begins. */
export interface DemandedOfSession {
  readonly reason: 'required' | 'optional'
  /** Forms, all of which the ticket must have; none: no ticket is demanded. */
  readonly tickets: readonly string[]
}

/** What these roles demand together. */
export function demandedOfSession(
  roles: readonly { readonly session?: SessionConditions | undefined }[],
): DemandedOfSession {
  const sessions = roles.flatMap(({ session }) => session ?? [])
  return {
    reason: sessions.some(({ reason }) => reason === 'required') ? 'required' : 'optional',
    tickets: [...new Set(sessions.flatMap(({ ticket }) => ticket ?? []))],
  }
}

/** What is not said yet, in words for the person; undefined: nothing. */
export function unsaid({ reason, tickets }: DemandedOfSession, given: GivenWords): string | undefined {
  const wrong = tickets.filter(form => given.ticket === undefined || !linearPattern(form).matches(given.ticket))
  const missing = [
    ...(reason === 'required' && given.reason === undefined ? ['a reason'] : []),
    ...(wrong.length > 0 ? [`a ticket of the form ${wrong.join(' and ')}`] : []),
  ]
  return missing.length === 0 ? undefined : `a session here needs ${missing.join(' and ')}`
}
