/** What a role gives on request: for which accounts one may ask, who approves, and for how long. The shape that people write in resource files. */

import { z } from 'zod'
import { channelNames } from '../protocols/registered.ts'
import { duration } from '../shared/durations.ts'
import { nameSchema } from '../shared/name-schema.ts'
import { LEVELS } from '../shared/vocabulary.ts'
import { ticketPattern } from '../targets/target.ts'

/** By name, or by level. */
export const accountSelectorSchema = z.strictObject({
  names: z.array(nameSchema).optional(),
  levels: z.array(z.enum(LEVELS)).optional(),
})

const WHO = /^(?:manager|(?:role|user):[A-Za-z0-9_][A-Za-z0-9._-]{0,63})$/

/** `role:leads` (whoever holds it), `user:bob`, or `manager`: the one that the requester's entry names. */
export const whoSchema = z
  .string()
  .regex(WHO, 'an approver is role:NAME, user:NAME or manager (whom the entry of the one who asks names)')

/** Of these people so many must approve. */
export const groupSchema = z.strictObject({
  of: z.array(whoSchema).min(1),
  count: z.number().int().min(1).max(20).default(1),
})

/** A step of an approval: all of its groups must approve. Not within the time: those of `escalateTo` may as well, any one for a group. */
const stageSchema = z
  .strictObject({
    groups: z.array(groupSchema).min(1),
    within: duration.optional(),
    escalateTo: z.array(whoSchema).min(1).optional(),
  })
  .refine(({ within, escalateTo }) => (within === undefined) === (escalateTo === undefined), {
    message: 'within and escalateTo stand together: after that time, those may approve as well',
  })

export type Stage = z.output<typeof stageSchema>

/** Of an offer that does not say. */
const LONGEST_MS = 4 * 3_600_000
const WAITS_MS = 24 * 3_600_000

export const offerSchema = z
  .strictObject({
    /** Requests remember it. Not given: made of the accounts that it is for. */
    name: nameSchema.optional(),
    /** For which accounts of the role's targets, beside those that the role gives outright. */
    accounts: accountSelectorSchema,
    /** Not given: the role's. Others than the role's are not given either. */
    channels: z.array(z.lazy(() => z.enum(channelNames()))).optional(),
    /** Any one of them approves. */
    approvers: z.array(whoSchema).min(1).optional(),
    /** In place of `approvers`: several steps, one after the other. */
    stages: z.array(stageSchema).min(1).max(10).optional(),
    /** Who approves in their place what is asked for for good (`--permanent`). */
    permanent: z
      .strictObject({
        approvers: z.array(whoSchema).min(1).optional(),
        stages: z.array(stageSchema).min(1).max(10).optional(),
      })
      .refine(({ approvers, stages }) => (approvers === undefined) !== (stages === undefined), {
        message: 'permanent has approvers (any one of them), or stages, and one of the two',
      })
      .optional(),
    /** For how long one may ask. */
    maxTime: duration.default(LONGEST_MS),
    reason: z.enum(['required', 'optional']).default('required'),
    /** A ticket of this form is demanded. */
    ticket: ticketPattern.optional(),
    /** When the time begins to count: when it is approved (or at the time that was asked for), or with the first use. */
    clock: z.enum(['approval', 'first-use']).default('approval'),
    /** Whether an approver proves a second factor anew for the decision. */
    freshFactor: z.boolean().default(true),
    /** So long a request waits for its decision, and what counts from first use for that. */
    validFor: duration.default(WAITS_MS),
    /** Whether who asks is told by name who may decide; not given: yes. */
    nameApprovers: z.boolean().optional(),
    /** Whether one may ask for more time before the end. */
    extend: z.boolean().default(true),
  })
  .refine(({ approvers, stages }) => (approvers === undefined) !== (stages === undefined), {
    message: 'an offer has approvers (any one of them), or stages, and one of the two',
  })

export type Offer = z.output<typeof offerSchema>

export const onRequestSchema = z.array(offerSchema).min(1).max(50)

/** By what requests remember it: its name, or what it is for. An offer that is for other accounts by now is another one. */
export function offerName({ name, accounts: { names = [], levels = [] } }: Pick<Offer, 'name' | 'accounts'>): string {
  if (name !== undefined) return name
  return [...levels.toSorted().map(level => `level ${level}`), ...names.toSorted()].join(', ')
}

/** As it is for requests of that kind. */
export function offerFor(offer: Offer, kind: 'access' | 'permanent'): Offer {
  return kind === 'permanent' && offer.permanent !== undefined
    ? { ...offer, approvers: offer.permanent.approvers, stages: offer.permanent.stages }
    : offer
}

/** The steps of both kinds of requests. */
export function allStagesOf(offer: Pick<Offer, 'approvers' | 'stages' | 'permanent'>): readonly Stage[] {
  return [...stagesOf(offer), ...(offer.permanent === undefined ? [] : stagesOf(offer.permanent))]
}

/** The roles whose holders it names as approvers. */
export function rolesNamedBy(offer: Pick<Offer, 'approvers' | 'stages' | 'permanent'>): string[] {
  const named = allStagesOf(offer).flatMap(({ groups, escalateTo = [] }) => [
    ...groups.flatMap(({ of }) => of),
    ...escalateTo,
  ])
  return [...new Set(named.filter(who => who.startsWith('role:')).map(who => who.slice('role:'.length)))]
}

/** Who approves a step, as people read it: `2 of role:leads, role:heads, and role:security`. */
export function stageText({ groups }: Stage): string {
  return groups.map(({ of, count }) => (count === 1 ? of.join(' or ') : `${count} of ${of.join(', ')}`)).join(', and ')
}

/** The steps of its approval, whichever way they are written. */
export function stagesOf({ approvers, stages }: Pick<Offer, 'approvers' | 'stages'>): readonly Stage[] {
  return stages ?? [{ groups: [{ of: approvers ?? [], count: 1 }] }]
}
