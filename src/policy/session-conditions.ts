/** Conditions on the sessions themselves that roles give: the strictest of the roles that hold counts. */

import { z } from 'zod'

export const sessionConditionsSchema = z.strictObject({
  /** `one`: of one user, no second session rests on the role while one is live, on whichever of its accounts. */
  live: z.enum(['any', 'one']).default('any'),
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
