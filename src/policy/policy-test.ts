/** Tests of rules: what is given, what is expected, and whether the decision is that. */

import { z } from 'zod'
import { type Channel, channelNames, type ProtocolName, protocolNames } from '../protocols/registered.ts'
import { duration, durationWords } from '../shared/durations.ts'
import type { FactorLists } from '../shared/factor-lists.ts'
import { factorSchema } from '../shared/factor-schema.ts'
import { nameSchema } from '../shared/name-schema.ts'
import type { Account, Target } from '../targets/target.ts'
import { type ApprovedAccess, offeredChannels } from './approved.ts'
import { type Decision, decide } from './decide.ts'
import { matchesAccount, matchesTarget } from './match.ts'
import { offerName } from './on-request.ts'
import type { Role } from './role.ts'
import { demandedOfSession, demandText } from './session-conditions.ts'
import type { PolicyWorld } from './simulate.ts'

const channelSchema = z.lazy(() => z.enum(channelNames()))

const givenSchema = z
  .strictObject({
    user: nameSchema.optional(),
    /** In place of those that the user has: for a person whom no file describes. */
    roles: z.array(nameSchema).optional(),
    target: nameSchema,
    /** Not given: the one that `user+target` means. */
    account: nameSchema.optional(),
    database: z.string().min(1).optional(),
    /** Not given: the target's. */
    protocol: z.lazy(() => z.enum(protocolNames())).optional(),
    /** When. It must be said where a role has hours. */
    at: z.iso.datetime({ offset: true, error: 'a time is written as in 2026-11-23T10:00:00+01:00' }).optional(),
    /** The address that they come from. It must be said where a role has sources. */
    from: z.union([z.ipv4(), z.ipv6()], 'an address is written as in 10.1.2.3').optional(),
    /** Not given: factors are not asked about. */
    proven: z.array(factorSchema).optional(),
    /** A request for the account that was approved, and has just begun. */
    approved: z.strictObject({ role: nameSchema, offer: z.string().optional() }).optional(),
  })
  .refine(({ user, roles }) => user !== undefined || roles !== undefined, {
    message: 'a case is about a user, or about roles',
  })

const expectSchema = z.strictObject({
  allowed: z.boolean(),
  account: nameSchema.optional(),
  database: z.string().optional(),
  /** Exactly those that give it. */
  roles: z.array(nameSchema).optional(),
  /** Exactly these are given. */
  channels: z.array(channelSchema).optional(),
  /** None of these is. */
  withoutChannels: z.array(channelSchema).optional(),
  /** For how long, from its beginning. */
  maxTime: duration.optional(),
  /** What must be said at each login. */
  reason: z.enum(['required', 'optional']).optional(),
  /** Exactly these forms of tickets are demanded at each login; none: []. */
  tickets: z.array(z.string()).optional(),
  /** The accounts that could be asked for instead; none: []. */
  onRequest: z.array(nameSchema).optional(),
})

export const caseSchema = z.strictObject({ name: z.string().optional(), given: givenSchema, expect: expectSchema })
export type PolicyCase = z.output<typeof caseSchema>

export const policyTestSchema = z.strictObject({
  /** Files or folders of resources, as seen from this file. Not given: what the gateway has. */
  resources: z.array(z.string().min(1)).min(1).optional(),
  /** The gateway's `authentication.factors`, for roles that name none. */
  factors: z.array(z.array(factorSchema).min(1)).min(1).optional(),
  cases: z.array(caseSchema).min(1),
})

export interface CaseResult {
  /** What is wrong, in words; none where all is as expected. */
  readonly problems: readonly string[]
  /** What was decided; undefined where the case could not be decided. */
  readonly decided: string | undefined
}

/** A case that speaks of what there is not fails, whatever it expects: a name that is written wrong is refused, too. */
export function runCase({ given, expect }: PolicyCase, world: PolicyWorld, defaults: FactorLists): CaseResult {
  const unfit = (problem: string): CaseResult => ({ problems: [problem], decided: undefined })
  const user = given.user === undefined ? undefined : world.user(given.user)
  if (given.user !== undefined && user === undefined && given.roles === undefined)
    return unfit(`There is no user ${given.user}.`)
  const target = world.target(given.target)
  if (target === undefined) return unfit(`There is no target ${given.target}.`)
  if (given.account !== undefined && !target.accounts.some(({ name }) => name === given.account))
    return unfit(`There is no account ${given.account} on ${target.name}.`)
  const roles: Role[] = []
  for (const name of given.roles ?? user?.roles ?? []) {
    const role = world.role(name)
    if (role === undefined) return unfit(`There is no role ${name}.`)
    roles.push(role)
  }
  const unsaid = unsaidCondition(given, roles, target)
  if (unsaid !== undefined) return unfit(unsaid)
  const now = given.at === undefined ? 0 : Date.parse(given.at)
  const approved = given.approved === undefined ? [] : approvedOf(given, roles, target, now)
  if (typeof approved === 'string') return unfit(approved)
  if (user?.disabled) return compare(expect, 'the user is disabled', now)
  const { account, database, protocol = target.protocol } = given
  const decision = decide(
    {
      request: {
        ...{ protocol: protocol as ProtocolName, target: target.name },
        ...(account === undefined ? {} : { account }),
        ...(database === undefined ? {} : { database }),
      },
      ...{ target, approved, defaults, now },
      // Where none of them says anything of sources, it is the same from anywhere.
      ...(given.from === undefined ? {} : { sourceAddress: given.from }),
      roles,
    },
    given.proven === undefined ? undefined : new Set(given.proven),
  )
  return compare(expect, decision, now)
}

/** What a role asks about and the case does not say: it would be decided by whenever, and wherever, it is run. */
function unsaidCondition(
  { at, from }: PolicyCase['given'],
  roles: readonly Role[],
  target: Target,
): string | undefined {
  const asking = roles.filter(role => matchesTarget(role.targets, target))
  const hours = at === undefined ? asking.find(role => role.hours !== undefined) : undefined
  if (hours !== undefined) return `Say at, a time: the role ${hours.name} has hours.`
  const sources = from === undefined ? asking.find(role => role.sources !== undefined) : undefined
  return sources === undefined ? undefined : `Say from, an address: the role ${sources.name} has sources.`
}

function approvedOf(
  { approved, account }: PolicyCase['given'],
  roles: readonly Role[],
  target: Target,
  now: number,
): ApprovedAccess[] | string {
  const role = roles.find(({ name }) => name === approved!.role)
  if (role === undefined) return `approved: the role ${approved!.role} is not held.`
  if (account === undefined) return 'approved: say which account.'
  const entry = target.accounts.find(({ name }) => name === account) as Account
  const { onRequest = [] } = role
  const offers = onRequest.filter(
    one => matchesAccount(one.accounts, entry) && (approved!.offer === undefined || offerName(one) === approved!.offer),
  )
  const [offer, another] = offers
  if (offer === undefined) return `approved: the role ${role.name} does not offer ${account} on request.`
  if (another !== undefined) return `approved: say which offer: ${offers.map(offerName).join(' or ')}.`
  return [
    {
      ...{ request: 'req_of_the_test', role: role.name, offer: offerName(offer), targets: { names: [target.name] } },
      ...{ accounts: { names: [account] }, channels: offeredChannels(role, offer), databases: role.databases },
      ...{ startsAt: now, endsAt: now + offer.maxTime },
    },
  ]
}

function compare(expect: PolicyCase['expect'], decision: Decision | string, now: number): CaseResult {
  if (typeof decision === 'string' || !decision.granted) {
    const offered = typeof decision === 'string' ? [] : decision.onRequest
    const could = [...new Set(offered.map(({ account }) => account.name))]
    const why = typeof decision === 'string' ? decision : decision.detail
    const problems = expect.allowed ? ['expected allowed, and it is refused'] : []
    if (expect.onRequest !== undefined) problems.push(...differing('onRequest', expect.onRequest, could))
    return {
      problems,
      decided: `refused: ${why}${could.length === 0 ? '' : `; can be asked for: ${could.join(', ')}`}`,
    }
  }
  const { account, database, roles, channels, endsAt } = decision
  const names = roles.map(({ name }) => name)
  const lasts = endsAt - now
  const demanded = demandedOfSession(roles)
  const mustSay = demandText(demanded)
  const saying = mustSay === undefined ? '' : `; ${mustSay} must be said`
  const decided = `allowed: ${account.name}, by ${names.join(', ')}, for ${durationWords(lasts)}, ${[...channels].join(' ')}${saying}`
  if (!expect.allowed) return { problems: ['expected refused, and it is allowed'], decided }
  const problems: string[] = []
  const check = (what: string, wanted: string | undefined, is: string | undefined) => {
    if (wanted !== undefined && wanted !== is) problems.push(`${what}: expected ${wanted}, and it is ${is ?? 'none'}`)
  }
  check('account', expect.account, account.name)
  check('database', expect.database, database)
  check('maxTime', expect.maxTime === undefined ? undefined : durationWords(expect.maxTime), durationWords(lasts))
  check('reason', expect.reason, demanded.reason)
  if (expect.tickets !== undefined) problems.push(...differing('tickets', expect.tickets, demanded.tickets))
  if (expect.roles !== undefined) problems.push(...differing('roles', expect.roles, names))
  if (expect.channels !== undefined) problems.push(...differing('channels', expect.channels, [...channels]))
  const unwanted = (expect.withoutChannels ?? []).filter((channel: Channel) => channels.has(channel))
  if (unwanted.length > 0) problems.push(`withoutChannels: given is ${unwanted.join(', ')}`)
  if (expect.onRequest !== undefined) problems.push(...differing('onRequest', expect.onRequest, []))
  return { problems, decided }
}

/** In no order. */
function differing(what: string, wanted: readonly string[], is: readonly string[]): string[] {
  const [more, less] = [is.filter(one => !wanted.includes(one)), wanted.filter(one => !is.includes(one))]
  if (more.length + less.length === 0) return []
  return [`${what}: expected ${wanted.join(', ') || 'none'}, and it is ${is.join(', ') || 'none'}`]
}
