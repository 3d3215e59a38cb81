/** Conditions on the sessions themselves that roles give: the strictest of the roles that hold counts. */

import { z } from 'zod'
import { duration } from '../shared/durations.ts'
import { linearPattern } from '../shared/text/linear-pattern.ts'
import { ticketPattern } from '../targets/target.ts'
import { whoSchema } from './on-request.ts'

/** Of a role that does not say. */
const WAITS_MS = 10 * 60_000
const ABSENT_MS = 5 * 60_000

export const FOLLOWS = ['announced', 'silent'] as const
export type FollowTerms = (typeof FOLLOWS)[number]

export const sessionConditionsSchema = z.strictObject({
  /** `one`: of one user, no second session rests on the role while one is live, on whichever of its accounts. */
  live: z.enum(['any', 'one']).default('any'),
  /** `required`: whoever logs in says why. */
  reason: z.enum(['required', 'optional']).default('optional'),
  /** A ticket of this form is demanded at the login. */
  ticket: ticketPattern.optional(),
  /** Somebody of these, never the user themselves, must watch: nothing passes while nobody does. Not given: nobody needs to. */
  moderator: z
    .strictObject({
      of: z.array(whoSchema).min(1),
      /** So long a session waits for one before it begins. */
      waitFor: duration.default(WAITS_MS),
      /** So long it is paused while there is none, before it ends. */
      absent: duration.default(ABSENT_MS),
    })
    .optional(),
  /** Whether the user is told who watches the session. Not given: as other roles say, and where none does, they are. */
  follow: z.enum(FOLLOWS).optional(),
})

type SessionConditions = z.output<typeof sessionConditionsSchema>
type WithConditions = { readonly name: string; readonly session?: SessionConditions | undefined }

/** What one role demands: somebody of these watches. */
export interface ModeratorDemand {
  readonly role: string
  readonly of: readonly string[]
}

export interface Moderation {
  /** Each must be met; one person may meet several. Never empty. */
  readonly demands: readonly ModeratorDemand[]
  readonly waitMs: number
  readonly absentMs: number
}

/** Of these roles those that allow a user one live session at a time. */
export function rolesWithOneLive(roles: readonly WithConditions[]): string[] {
  return [...new Set(roles.filter(({ session }) => session?.live === 'one').map(({ name }) => name))]
}

/** Undefined where none of these roles demands a moderator. */
export function moderationOf(roles: readonly WithConditions[]): Moderation | undefined {
  const asking = new Map(
    roles.flatMap(({ name, session }) =>
      session?.moderator === undefined ? [] : [[name, session.moderator] as const],
    ),
  )
  if (asking.size === 0) return undefined
  const terms = [...asking.values()]
  return {
    demands: [...asking].map(([role, { of }]) => ({ role, of })),
    waitMs: Math.min(...terms.map(({ waitFor }) => waitFor)),
    absentMs: Math.min(...terms.map(({ absent }) => absent)),
  }
}

/** Where roles disagree, the user is told. */
export function followTermsOf(roles: readonly WithConditions[]): FollowTerms {
  const said = roles.flatMap(({ session }) => session?.follow ?? [])
  return said.length > 0 && said.every(one => one === 'silent') ? 'silent' : 'announced'
}

/** Whether whoever watches meets all demands: `met` are the roles whose demands they meet. */
export function isModerated({ demands }: Moderation, met: ReadonlySet<string>): boolean {
  return demands.every(({ role }) => met.has(role))
}

/** `role:security or user:lee`; several demands with "and". */
export function moderatorsText({ demands }: Moderation): string {
  return [...new Set(demands.map(({ of }) => of.join(' or ')))].join(', and ')
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
  const missing = demandText({ reason: given.reason === undefined ? reason : 'optional', tickets: wrong })
  return missing && `a session here needs ${missing}`
}

/** `a reason and a ticket of the form INC-\\d+`; undefined: nothing is demanded. */
export function demandText({ reason, tickets }: DemandedOfSession): string | undefined {
  const demanded = [
    ...(reason === 'required' ? ['a reason'] : []),
    ...(tickets.length > 0 ? [`a ticket of the form ${tickets.join(' and ')}`] : []),
  ]
  return demanded.length === 0 ? undefined : demanded.join(' and ')
}
